/*
 * wsfloor - the physical floor of WebSocket fan-out on one thread.
 *
 * It does the least a fan-out server can do: unmask a text frame from one
 * client, build one frame, and write() it to every socket of the room.  No
 * history, no names, no JSON parsing, no back-pressure beyond a per-socket
 * buffer.  Whatever a real server costs above this is its own work.
 *
 *   wsfloor PORT [--batch] [--envelope] [--per-room N]
 *     (default)   one write() per message per socket, at once
 *     --batch     all messages read in one turn of the loop leave in one
 *                 write() per socket (what coalescing can win)
 *     --envelope  wraps the text as {"seq":N,"m":"..."} with a per-room N
 *   The room is the number after the last '/' of the path (0 if none).
 *
 * Listens on 127.0.0.1 only, and says on which port: 0 takes a free one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Conn { int fd, room, pos; bool open, want_out; uint8_t *in, *out; size_t inl, inc, outl, outc, outo; } Conn;
typedef struct { Conn **m; int n, cap; uint64_t seq; uint8_t *pend; size_t pl, pc; bool dirty; } Room;

static Room *R;
static int nrooms, ep, *dirty, ndirty;
static bool batch, envelope;

static uint32_t rol(uint32_t x, int k) { return (x << k) | (x >> (32 - k)); }
static void sha1(const uint8_t *d, size_t n, uint8_t out[20]) {
    uint32_t h[5] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 };
    uint8_t m[192] = { 0 };
    size_t t = ((n + 8) / 64 + 1) * 64;
    memcpy(m, d, n);
    m[n] = 0x80;
    for (int i = 0; i < 8; i++) m[t - 1 - i] = (uint8_t)((uint64_t)n * 8 >> (8 * i));
    for (size_t b = 0; b < t; b += 64) {
        uint32_t w[80], a = h[0], bb = h[1], c = h[2], dd = h[3], e = h[4];
        for (int i = 0; i < 16; i++) w[i] = (uint32_t)m[b + 4 * i] << 24 | (uint32_t)m[b + 4 * i + 1] << 16 | (uint32_t)m[b + 4 * i + 2] << 8 | m[b + 4 * i + 3];
        for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f, k;
            if (i < 20) { f = (bb & c) | (~bb & dd); k = 0x5A827999; }
            else if (i < 40) { f = bb ^ c ^ dd; k = 0x6ED9EBA1; }
            else if (i < 60) { f = (bb & c) | (bb & dd) | (c & dd); k = 0x8F1BBCDC; }
            else { f = bb ^ c ^ dd; k = 0xCA62C1D6; }
            uint32_t x = rol(a, 5) + f + e + k + w[i];
            e = dd; dd = c; c = rol(bb, 30); bb = a; a = x;
        }
        h[0] += a; h[1] += bb; h[2] += c; h[3] += dd; h[4] += e;
    }
    for (int i = 0; i < 20; i++) out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void append(uint8_t **b, size_t *l, size_t *c, const void *p, size_t n) {
    if (*l + n > *c) { while (*l + n > *c) *c = *c ? *c * 2 : 1024; *b = realloc(*b, *c); }
    memcpy(*b + *l, p, n);
    *l += n;
}
static void want(Conn *c, bool out) {
    if (c->want_out == out) return;
    c->want_out = out;
    struct epoll_event ev = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}
static void leave(Conn *c) {
    if (c->open) { Room *r = &R[c->room]; r->m[c->pos] = r->m[--r->n]; r->m[c->pos]->pos = c->pos; }
    close(c->fd);
    free(c->in); free(c->out); free(c);
}
static void put(Conn *c, const uint8_t *p, size_t n) {
    if (c->outl == c->outo) {
        ssize_t k = write(c->fd, p, n);
        if (k == (ssize_t)n) return;
        if (k < 0) { if (errno != EAGAIN) return; k = 0; }
        c->outl = c->outo = 0;
        append(&c->out, &c->outl, &c->outc, p + k, n - (size_t)k);
        want(c, true);
    } else append(&c->out, &c->outl, &c->outc, p, n);
}
static void flush_room(Room *r) {
    for (int i = 0; i < r->n; i++) put(r->m[i], r->pend, r->pl);
    r->pl = 0;
    r->dirty = false;
}
static void fan(int room, const uint8_t *p, size_t n) {
    Room *r = &R[room];
    uint8_t h[64], e[48];
    size_t el = 0, tail = 0;
    if (envelope) { el = (size_t)sprintf((char *)e, "{\"seq\":%llu,\"m\":\"", (unsigned long long)++r->seq); tail = 2; }
    size_t len = el + n + tail, hl = 2;
    h[0] = 0x81;
    if (len < 126) h[1] = (uint8_t)len;
    else { h[1] = 126; h[2] = (uint8_t)(len >> 8); h[3] = (uint8_t)len; hl = 4; }
    append(&r->pend, &r->pl, &r->pc, h, hl);
    append(&r->pend, &r->pl, &r->pc, e, el);
    append(&r->pend, &r->pl, &r->pc, p, n);
    if (tail) append(&r->pend, &r->pl, &r->pc, "\"}", 2);
    if (!batch) flush_room(r);
    else if (!r->dirty) { r->dirty = true; dirty[ndirty++] = room; }
}
static bool handshake(Conn *c) {
    uint8_t *e = memmem(c->in, c->inl, "\r\n\r\n", 4);
    if (!e) return false;
    *e = 0;
    char *k = strcasestr((char *)c->in, "Sec-WebSocket-Key: "), b[128], key[96] = "";
    if (k) sscanf(k + 19, "%40s", key);
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    uint8_t d[21] = { 0 };
    sha1((uint8_t *)key, strlen(key), d);
    static const char A[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int w = 0;
    for (int i = 0; i < 21; i += 3) {
        uint32_t v = (uint32_t)d[i] << 16 | (uint32_t)d[i + 1] << 8 | d[i + 2];
        for (int j = 18; j >= 0; j -= 6) b[w++] = A[(v >> j) & 63];
    }
    b[27] = '='; b[28] = 0;
    char *sp = strchr((char *)c->in, ' '), *sp2 = sp ? strchr(sp + 1, ' ') : NULL, *sl = NULL;
    if (sp2) { *sp2 = 0; sl = strrchr(sp, '/'); }
    c->room = sl ? abs(atoi(sl + 1)) % nrooms : 0;
    char o[256];
    int n = sprintf(o, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", b);
    put(c, (uint8_t *)o, (size_t)n);
    size_t used = (size_t)(e - c->in) + 4;
    memmove(c->in, c->in + used, c->inl - used);
    c->inl -= used;
    Room *r = &R[c->room];
    if (r->n == r->cap) { r->cap = r->cap ? r->cap * 2 : 8; r->m = realloc(r->m, sizeof *r->m * (size_t)r->cap); }
    c->pos = r->n;
    r->m[r->n++] = c;
    c->open = true;
    return true;
}
/* false: the client is gone */
static bool frames(Conn *c) {
    size_t at = 0;
    while (c->inl - at >= 6) {
        uint8_t *f = c->in + at;
        size_t len = f[1] & 127, hl = 2;
        if (len == 126) { len = (size_t)f[2] << 8 | f[3]; hl = 4; }
        else if (len == 127) return false;
        if (c->inl - at < hl + 4 + len) break;
        uint8_t *k = f + hl, *d = k + 4;
        for (size_t i = 0; i < len; i++) d[i] ^= k[i & 3];
        int op = f[0] & 15;
        if (op == 8) return false;
        if (op == 1 || op == 2) fan(c->room, d, len);
        at += hl + 4 + len;
    }
    if (at) { memmove(c->in, c->in + at, c->inl - at); c->inl -= at; }
    return true;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    int port = argc > 1 ? atoi(argv[1]) : 9500;
    for (int i = 2; i < argc; i++) { if (!strcmp(argv[i], "--batch")) batch = true; if (!strcmp(argv[i], "--envelope")) envelope = true; }
    nrooms = 65536;
    R = calloc((size_t)nrooms, sizeof *R);
    dirty = calloc((size_t)nrooms, sizeof *dirty);
    struct rlimit rl = { 100000, 100000 };
    setrlimit(RLIMIT_NOFILE, &rl);
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 4096)) { perror("wsfloor"); return 1; }
    socklen_t bound = sizeof a;
    getsockname(ls, (struct sockaddr *)&a, &bound);
    printf("listening on %d\n", ntohs(a.sin_port));
    fflush(stdout);
    ep = epoll_create1(0);
    struct epoll_event ev[512], le = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &le);
    for (;;) {
        int n = epoll_wait(ep, ev, 512, -1);
        for (int i = 0; i < n; i++) {
            Conn *c = ev[i].data.ptr;
            if (!c) {
                int fd;
                while ((fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    c = calloc(1, sizeof *c);
                    c->fd = fd;
                    struct epoll_event ce = { .events = EPOLLIN, .data.ptr = c };
                    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ce);
                }
                continue;
            }
            if (ev[i].events & EPOLLOUT) {
                ssize_t k = write(c->fd, c->out + c->outo, c->outl - c->outo);
                if (k > 0) c->outo += (size_t)k;
                if (c->outo == c->outl) { c->outo = c->outl = 0; want(c, false); }
            }
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                if (c->inc - c->inl < 4096) { c->inc = c->inl + 16384; c->in = realloc(c->in, c->inc); }
                ssize_t k = read(c->fd, c->in + c->inl, c->inc - c->inl);
                if (k <= 0) { if (k < 0 && errno == EAGAIN) continue; leave(c); continue; }
                c->inl += (size_t)k;
                if (!c->open && !handshake(c)) continue;
                if (!frames(c)) { leave(c); continue; }
                if (!c->inl) { free(c->in); c->in = NULL; c->inc = 0; }   /* idle clients hold no buffer */
            }
        }
        for (int i = 0; i < ndirty; i++) flush_room(&R[dirty[i]]);
        ndirty = 0;
    }
}
