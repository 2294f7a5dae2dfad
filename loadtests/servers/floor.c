/* The floor: what the kernel alone takes. A server that stores nothing, checks nothing and knows nobody; it speaks just
 * enough of the protocol for `salon load --floor` to drive it. Each turn it reads every readable socket, makes one frame
 * a message, and writes once to each socket of each room that has something new.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SOCKETS = 65536, ROOMS = 65536, INPUT = 65536, ACKS = 65536 };

struct peer { int room, open, input, acks; char *in, *ack; };
struct room { int people, room_for, dirty; int *fds; long sequence; char *out; size_t length, space; };

static struct peer peers[SOCKETS];
static struct room rooms[ROOMS];
static int dirty[ROOMS], dirty_rooms;

static size_t frame(char *to, const char *text, size_t length) {
  size_t at = 0;
  to[at++] = (char)0x81;
  if (length < 126) {
    to[at++] = (char)length;
  } else {
    to[at++] = 126;
    to[at++] = (char)(length >> 8);
    to[at++] = (char)length;
  }
  memcpy(to + at, text, length);
  return at + length;
}

static void drop(int fd) {
  struct peer *peer = &peers[fd];
  struct room *room = &rooms[peer->room];
  for (int i = 0; peer->open && i < room->people; i++)
    if (room->fds[i] == fd) { room->fds[i] = room->fds[--room->people]; break; }
  free(peer->in);
  free(peer->ack);
  memset(peer, 0, sizeof *peer);
  close(fd);
}

/* GET /chat/ws/NUMBER?last_sequence_id=N: answer, and be live at once. */
static int shake(int fd) {
  struct peer *peer = &peers[fd];
  peer->in[peer->input] = 0;
  char *end = strstr(peer->in, "\r\n\r\n"), *path = strstr(peer->in, "/chat/ws/");
  if (!end || !path) return 0;
  peer->room = atoi(path + 9) % ROOMS;
  struct room *room = &rooms[peer->room];
  if (room->people == room->room_for) {
    room->room_for = room->room_for ? 2 * room->room_for : 8;
    room->fds = realloc(room->fds, sizeof(int) * room->room_for);
  }
  room->fds[room->people++] = fd;
  char answer[512], text[64];
  int length = sprintf(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  int words = sprintf(text, "{\"type\":\"caught_up\",\"sequence_id\":%ld}", room->sequence);
  length += frame(answer + length, text, words);
  if (write(fd, answer, length) < 0) return -1;
  int used = end + 4 - peer->in;
  memmove(peer->in, peer->in + used, peer->input -= used);
  return peer->open = 1;
}

static char *field(char *text, const char *name, int *length) {
  char *at = strstr(text, name);
  if (!at) return *length = 0, "";
  at += strlen(name);
  return *length = strchr(at, '"') - at, at;
}

static void message(int fd, char *text) {
  struct peer *peer = &peers[fd];
  struct room *room = &rooms[peer->room];
  int content_length, key_length;
  char *content = field(text, "\"content\":\"", &content_length), *key = field(text, "\"client_message_id\":\"", &key_length);
  if (!content_length) return;
  long sequence = ++room->sequence;
  static char words[4096];
  int length = snprintf(words, sizeof words,
    "{\"type\":\"message\",\"sequence_id\":%ld,\"message\":{\"message_id\":\"0123456789012345678901-%ld\",\"conversation_id\":\"0123456789012345678901\","
    "\"sequence_id\":%ld,\"sender_id\":\"guest_0123456789012345678901\",\"sender_name\":\"Person\",\"sender_type\":\"human\",\"content\":\"%.*s\","
    "\"message_type\":\"text\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"client_message_id\":\"%.*s\"}}",
    sequence, sequence, sequence, content_length, content, key_length, key);
  if (room->length + length + 8 > room->space)
    room->out = realloc(room->out, room->space = 2 * (room->length + length + 8));
  room->length += frame(room->out + room->length, words, length);
  if (!room->dirty) { room->dirty = 1; dirty[dirty_rooms++] = peer->room; }
  length = snprintf(words, sizeof words,
    "{\"type\":\"message_ack\",\"conversation_id\":\"0123456789012345678901\",\"message_id\":\"0123456789012345678901-%ld\",\"sequence_id\":%ld,"
    "\"client_message_id\":\"%.*s\"}", sequence, sequence, key_length, key);
  if (!peer->ack) peer->ack = malloc(ACKS);
  if (peer->acks + length + 8 < ACKS) peer->acks += frame(peer->ack + peer->acks, words, length);
}

static void readable(int fd) {
  struct peer *peer = &peers[fd];
  if (!peer->in) peer->in = malloc(INPUT + 1);
  ssize_t got = read(fd, peer->in + peer->input, INPUT - peer->input);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) drop(fd);
    return;
  }
  peer->input += got;
  if (!peer->open && shake(fd) <= 0) return;
  int at = 0;
  while (peer->input - at >= 6) {
    unsigned char *head = (unsigned char *)peer->in + at;
    int length = head[1] & 0x7f, start = 2;
    if (length == 126) { length = head[2] << 8 | head[3]; start = 4; }
    if (peer->input - at < start + 4 + length) break;
    unsigned char *mask = head + start;
    char *text = (char *)mask + 4, after = text[length];
    for (int i = 0; i < length; i++) text[i] ^= mask[i & 3];
    text[length] = 0;
    if ((head[0] & 15) == 8) { drop(fd); return; }
    if ((head[0] & 15) == 1) message(fd, text);
    text[length] = after;
    at += start + 4 + length;
  }
  memmove(peer->in, peer->in + at, peer->input -= at);
}

static void deliver(void) {
  for (int i = 0; i < dirty_rooms; i++) {
    struct room *room = &rooms[dirty[i]];
    for (int j = 0; j < room->people; j++) {
      struct peer *peer = &peers[room->fds[j]];
      struct iovec parts[2] = {{peer->ack, peer->acks}, {room->out, room->length}};
      size_t all = peer->acks + room->length, sent = 0;
      peer->acks = 0;
      while (sent < all) { /* a peer that does not read stops the floor: it has no outbox */
        ssize_t wrote = writev(room->fds[j], parts, 2);
        if (wrote < 0 && errno == EAGAIN) { usleep(100); continue; }
        if (wrote < 0) break;
        sent += wrote;
        for (int k = 0; k < 2; k++) {
          size_t taken = (size_t)wrote < parts[k].iov_len ? (size_t)wrote : parts[k].iov_len;
          parts[k].iov_base = (char *)parts[k].iov_base + taken;
          parts[k].iov_len -= taken;
          wrote -= taken;
        }
      }
    }
    room->length = room->dirty = 0;
  }
  dirty_rooms = 0;
}

int main(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(door, (void *)&address, size) || listen(door, 4096)) return perror("floor"), 1;
  getsockname(door, (void *)&address, &size);
  printf("Floor listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  int poll = epoll_create1(0);
  struct epoll_event watch = {.events = EPOLLIN, .data.fd = door}, ready[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, door, &watch);
  for (;;) {
    int count = epoll_wait(poll, ready, 256, -1);
    for (int i = 0; i < count; i++) {
      int fd = ready[i].data.fd;
      if (fd != door) { readable(fd); continue; }
      while ((fd = accept4(door, 0, 0, SOCK_NONBLOCK)) >= 0) {
        if (fd >= SOCKETS) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        memset(&peers[fd], 0, sizeof peers[fd]);
        watch.data.fd = fd;
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &watch);
      }
    }
    deliver();
  }
}
