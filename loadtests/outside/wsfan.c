/*
 * wsfan - a small single-threaded epoll load generator for WebSocket fan-out.
 *
 * It opens N WebSocket clients spread over K rooms, walks every client through
 * a scripted set-up (send this, wait for that), lets the first S clients of
 * each room send stamped messages (open loop at a total rate, or closed loop
 * with a window), and recognises each delivery by a marker in the payload:
 *
 *     t=<19 digit ns>;s=<5 digit sender>;n=<9 digit counter>;
 *
 * From that alone it knows loss, duplication, per-sender order and latency for
 * any server that carries text through unchanged, whatever its envelope is.
 *
 * `wsfan --help` has the options, and salon.loadtests.outside what salon uses.  Linux only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK_LEN 42            /* t=19;s=5;n=9;  */
#define RBUF_SIZE (1u << 18)
#define MAX_STEPS 32
#define MAX_HDRS 16
#define MAX_AUTO 8
#define MAX_PIDS 16

/* ------------------------------------------------------------ utilities -- */

static uint64_t now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "wsfan: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    exit(2);
}

typedef struct { uint8_t *p; size_t len, cap; } Buf;

static void buf_need(Buf *b, size_t extra) {
    if (b->len + extra <= b->cap) return;
    size_t c = b->cap ? b->cap : 256;
    while (c < b->len + extra) c *= 2;
    b->p = realloc(b->p, c);
    if (!b->p) die("out of memory");
    b->cap = c;
}
static void buf_add(Buf *b, const void *p, size_t n) {
    buf_need(b, n);
    memcpy(b->p + b->len, p, n);
    b->len += n;
}
static void buf_free(Buf *b) { free(b->p); memset(b, 0, sizeof *b); }

static uint64_t rng_state = 0x9e3779b97f4a7c15ull;
static uint64_t rnd(void) {
    uint64_t x = rng_state;
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    return rng_state = x;
}

/* Log-linear histogram of ns: 64 sub-buckets per power of two (1.6 %). */
#define HB 6
#define HN (64 << HB)
static uint64_t hist[HN], hist_n, hist_max;
static double hist_sum;
static inline void hist_add(uint64_t v) {
    hist_n++;
    hist_sum += (double)v;
    if (v > hist_max) hist_max = v;
    unsigned i;
    if (v < (1u << HB)) i = (unsigned)v;
    else {
        int e = 63 - __builtin_clzll(v);
        i = ((unsigned)(e - HB + 1) << HB) + (unsigned)((v >> (e - HB)) & ((1u << HB) - 1));
    }
    hist[i]++;
}
static double hist_pct(double p) {            /* in milliseconds */
    if (!hist_n) return 0;
    uint64_t want = (uint64_t)(p / 100.0 * (double)hist_n + 0.5), acc = 0;
    if (want < 1) want = 1;
    for (unsigned i = 0; i < HN; i++) {
        acc += hist[i];
        if (acc >= want) {
            uint64_t v;
            if (i < (1u << HB)) v = i;
            else {
                unsigned e = (i >> HB) + HB - 1;
                v = ((uint64_t)1 << e) + ((uint64_t)(i & ((1u << HB) - 1)) << (e - HB))
                    + ((uint64_t)1 << (e - HB)) / 2;
            }
            if (v > hist_max) v = hist_max;
            return (double)v / 1e6;
        }
    }
    return (double)hist_max / 1e6;
}

/* --------------------------------------------------------------- options -- */

typedef struct { char kind; const char *text; size_t len; } Step;   /* S, B, W, D */

static struct {
    const char *host, *path, *subproto, *payload, *label, *seq_key, *origin;
    int port, clients, rooms, senders, window, inflight, pad, retries;
    int64_t user_base;
    double rate, duration, warmup, settle, drain, hold, conn_timeout;
    bool binary, raw, json, echo, nomask, stamp_actual, seq_marked, quiet, partial;
    const char *headers[MAX_HDRS]; int nheaders;
    Step steps[MAX_STEPS]; int nsteps;
    struct { const char *in, *out; size_t inl, outl; bool bin; } autos[MAX_AUTO]; int nautos;
    int pids[MAX_PIDS]; int npids;
} O = {
    .host = "127.0.0.1", .path = "/", .port = 8080, .clients = 10, .rooms = 1,
    .senders = 1, .window = 0, .rate = 0, .duration = 5, .warmup = 1, .settle = 0.3,
    .drain = 3, .inflight = 64, .echo = true, .user_base = 1, .conn_timeout = 120, .retries = 3,
    .payload = "t=%t;s=%s;n=%n;%p", .pad = 100, .label = "",
};

/* Turns \n \r \t \0 \\ and \xHH into bytes. */
static char *unescape(const char *s, size_t *len) {
    char *o = malloc(strlen(s) + 1), *w = o;
    while (*s) {
        if (*s == '\\' && s[1]) {
            s++;
            switch (*s) {
            case 'n': *w++ = '\n'; s++; break;
            case 'r': *w++ = '\r'; s++; break;
            case 't': *w++ = '\t'; s++; break;
            case '0': *w++ = 0; s++; break;
            case 'x':
                if (isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
                    char h[3] = { s[1], s[2], 0 };
                    *w++ = (char)strtol(h, NULL, 16);
                    s += 3;
                } else *w++ = '\\';
                break;
            case '\\': *w++ = '\\'; s++; break;
            default: *w++ = '\\';            /* keep \" and friends as written */
            }
        } else *w++ = *s++;
    }
    *w = 0;
    *len = (size_t)(w - o);
    return o;
}

/* --------------------------------------------------------------- clients -- */

enum { ST_NONE, ST_CONN, ST_HAND, ST_SETUP, ST_READY, ST_DEAD };

/* What one receiver has seen of one sender: highest counter and the 64 below. */
typedef struct { uint64_t last, mask; } Track;

typedef struct Conn {
    int fd, idx, room, slot;
    uint8_t state, step, tries;
    bool want_out, infrag, queued;
    uint32_t hint, seq_hint;
    Buf in, out, frag;
    size_t outoff;
    uint64_t sent;              /* messages this client has sent */
    uint64_t last_seq;
    Track *tr;                  /* one per sender of the room */
    uint32_t *ring;             /* window mode: deliveries still owed, by counter */
    uint32_t outstanding;
} Conn;

static Conn *C;
static int ep;
static int *room_size;
static int n_open_tried, n_inflight, n_ready, n_failed, n_closed, n_retried;
static int *again, again_len;                  /* clients to connect once more */
static int *wq, wq_len;                        /* window mode: senders able to send */
static uint32_t ring_mask;

static uint64_t run_start, first_conn, all_ready;
static uint64_t tot_sent, tot_recv, dups, reorder, gap_events, seq_viol, seq_gaps, seq_seen;
static uint64_t expected, frames_in, bytes_in, other_frames, late_old, foreign, pings, proto_err;
static uint64_t m_recv, m_bytes, m_sent;       /* inside the measured span */
static bool measuring, sending, sends_over;
static uint64_t last_delivery;
static char first_error[256];

static void note_error(const char *fmt, ...) {
    if (first_error[0]) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(first_error, sizeof first_error, fmt, ap);
    va_end(ap);
    for (char *p = first_error; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < 32 || (unsigned char)*p > 126) *p = ' ';
}

static char **room_ids;                        /* one id a room, where --room-ids names a file */

static void read_room_ids(const char *file, int rooms) {
    FILE *f = fopen(file, "r");
    if (!f) die("cannot read %s", file);
    room_ids = calloc((size_t)rooms, sizeof *room_ids);
    char line[512];
    for (int i = 0; i < rooms; i++) {
        if (!fgets(line, sizeof line, f)) die("%s has fewer than %d ids", file, rooms);
        line[strcspn(line, "\r\n")] = 0;
        room_ids[i] = strdup(line);
    }
    fclose(f);
}

/* Expands a template for a client.  Stamps are fixed width on purpose. */
static void expand(Buf *b, const char *s, size_t len, Conn *c, uint64_t stamp, uint64_t n) {
    char t[64];
    size_t start = b->len;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '%' || i + 1 >= len) { buf_add(b, s + i, 1); continue; }
        int k = 0;
        switch (s[++i]) {
        case 'd': k = sprintf(t, "%d", c->idx); break;
        case 'u': k = sprintf(t, "%lld", (long long)(O.user_base + c->idx)); break;
        case 'r': k = sprintf(t, "%d", c->room); break;
        case 'R': k = sprintf(t, "%05d", c->room); break;
        case 'i':                              /* the room's own id, from --room-ids */
            if (room_ids) buf_add(b, room_ids[c->room], strlen(room_ids[c->room]));
            break;
        case 't': k = sprintf(t, "%019llu", (unsigned long long)stamp); break;
        case 's': k = sprintf(t, "%05d", c->idx); break;
        case 'n': k = sprintf(t, "%09llu", (unsigned long long)n); break;
        case 'k': k = sprintf(t, "%016llx", (unsigned long long)rnd()); break;
        case 'p': {                            /* pad the text so far to O.pad bytes */
            /* counted from the marker, so the envelope does not shrink the text */
            uint8_t *m = memmem(b->p + start, b->len - start, "t=", 2);
            size_t have = m ? (size_t)(b->p + b->len - m) : b->len - start;
            while (have++ < (size_t)O.pad) buf_add(b, "x", 1);
            break;
        }
        case '%': t[0] = '%'; k = 1; break;
        default: t[0] = '%'; t[1] = s[i]; k = 2;
        }
        buf_add(b, t, (size_t)k);
    }
}

static void set_events(Conn *c, bool out) {
    if (c->want_out == out) return;
    c->want_out = out;
    struct epoll_event ev = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void conn_dead(Conn *c, const char *why) {
    if (c->state == ST_DEAD) return;
    note_error("client %d: %s (state %d step %d)", c->idx, why, c->state, c->step);
    close(c->fd);
    c->fd = -1;
    buf_free(&c->in); buf_free(&c->out); buf_free(&c->frag);
    c->outoff = 0;
    if (c->state < ST_READY) {
        n_inflight--;
        if (c->tries < O.retries) { c->tries++; c->step = 0; n_retried++; again[again_len++] = c->idx; }
        else n_failed++;
    } else n_closed++;
    c->state = ST_DEAD;
}

static void flush_out(Conn *c) {
    while (c->outoff < c->out.len) {
        ssize_t k = send(c->fd, c->out.p + c->outoff, c->out.len - c->outoff, MSG_NOSIGNAL);
        if (k > 0) { c->outoff += (size_t)k; continue; }
        if (k < 0 && errno == EINTR) continue;
        if (k < 0 && errno == EAGAIN) { set_events(c, true); return; }
        conn_dead(c, "write failed");
        return;
    }
    c->out.len = c->outoff = 0;
    set_events(c, false);
}

/* Queues one frame (or the raw bytes in --raw mode); the caller flushes. */
static void put_frame(Conn *c, int opcode, const uint8_t *p, size_t n) {
    if (O.raw) { buf_add(&c->out, p, n); return; }
    uint8_t h[14];
    size_t hl = 2;
    h[0] = (uint8_t)(0x80 | opcode);
    if (n < 126) h[1] = (uint8_t)(0x80 | n);
    else if (n < 65536) { h[1] = 0x80 | 126; h[2] = (uint8_t)(n >> 8); h[3] = (uint8_t)n; hl = 4; }
    else { h[1] = 0x80 | 127; for (int i = 0; i < 8; i++) h[2 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i)); hl = 10; }
    uint32_t key = O.nomask ? 0 : (uint32_t)rnd();
    memcpy(h + hl, &key, 4);
    hl += 4;
    buf_add(&c->out, h, hl);
    buf_need(&c->out, n);
    uint8_t *d = c->out.p + c->out.len, *k8 = (uint8_t *)&key;
    for (size_t i = 0; i < n; i++) d[i] = p[i] ^ k8[i & 3];
    c->out.len += n;
}

static Buf scratch;

static void become_ready(Conn *c) {
    c->state = ST_READY;
    n_ready++;
    n_inflight--;
    if (n_ready == O.clients) all_ready = now_ns();
}

/* Runs set-up steps until the next wait. */
static void run_steps(Conn *c) {
    while (c->step < O.nsteps && O.steps[c->step].kind != 'W') {
        Step *s = &O.steps[c->step++];
        scratch.len = 0;
        expand(&scratch, s->text, s->len, c, 0, 0);
        put_frame(c, s->kind == 'B' ? 2 : 1, scratch.p, scratch.len);
    }
    flush_out(c);
    if (c->state == ST_SETUP && c->step >= O.nsteps) become_ready(c);
}

/* ------------------------------------------------------------ deliveries -- */

static inline bool digits(const uint8_t *p, int n, uint64_t *v) {
    uint64_t x = 0;
    for (int i = 0; i < n; i++) {
        unsigned d = (unsigned)p[i] - '0';
        if (d > 9) return false;
        x = x * 10 + d;
    }
    *v = x;
    return true;
}

static void delivery(Conn *c, uint64_t t, uint64_t s, uint64_t n, uint64_t now) {
    if (t < run_start) { late_old++; return; }           /* history of an earlier run */
    if (s >= (uint64_t)O.clients || C[s].room != c->room || C[s].slot < 0) { foreign++; return; }
    Track *k = &c->tr[C[s].slot];
    if (n == k->last + 1) { k->mask = (k->mask << 1) | 1; k->last = n; }
    else if (n > k->last) {
        uint64_t d = n - k->last;
        gap_events++;
        k->mask = d >= 64 ? 1 : (k->mask << d) | 1;
        k->last = n;
    } else {
        uint64_t d = k->last - n;
        if (d < 64 && !((k->mask >> d) & 1)) { k->mask |= 1ull << d; reorder++; }
        else { dups++; return; }
    }
    tot_recv++;
    last_delivery = now;
    if (measuring) { m_recv++; hist_add(now > t ? now - t : 0); }
    if (O.window) {
        Conn *o = &C[s];
        uint32_t *left = &o->ring[n & ring_mask];
        if (*left && --*left == 0) {
            o->outstanding--;
            if (!o->queued) { o->queued = true; wq[wq_len++] = o->idx; }
        }
    }
}

/* One mark at q?  The layout is fixed, so this is a handful of compares. */
static inline bool mark_at(Conn *c, const uint8_t *q, uint64_t now) {
    uint64_t t, s, n;
    if (q[0] != 't' || q[1] != '=' || q[21] != ';' || q[41] != ';') return false;
    if (q[22] != 's' || q[23] != '=' || q[29] != ';' || q[30] != 'n' || q[31] != '=') return false;
    if (!digits(q + 2, 19, &t) || !digits(q + 24, 5, &s) || !digits(q + 32, 9, &n)) return false;
    delivery(c, t, s, n, now);
    return true;
}

static void seq_scan(Conn *c, const uint8_t *p, size_t n) {
    size_t kl = strlen(O.seq_key);
    const uint8_t *q = p, *e = p + n;
    uint64_t here = 0;                          /* a frame may say its number twice: envelope and body */
    while (q < e && (q = memmem(q, (size_t)(e - q), O.seq_key, kl))) {
        q += kl;
        while (q < e && (*q == ' ' || *q == '"' || *q == '\'')) q++;
        uint64_t v = 0;
        bool any = false;
        while (q < e && *q >= '0' && *q <= '9') { v = v * 10 + (*q++ - '0'); any = true; }
        if (!any || v == here) continue;
        here = v;
        seq_seen++;
        if (c->last_seq) {
            if (v <= c->last_seq) seq_viol++;
            else if (v != c->last_seq + 1) seq_gaps += v - c->last_seq - 1;
        }
        if (v > c->last_seq) c->last_seq = v;
    }
}

static void scan(Conn *c, const uint8_t *p, size_t n, uint64_t now) {
    const uint8_t *q = p, *e = p + n;
    bool any = false;
    if (n >= MARK_LEN && c->hint <= n - MARK_LEN && mark_at(c, p + c->hint, now)) {
        any = true;                            /* same place as last time */
        q = p + c->hint + MARK_LEN;
    }
    while (e - q >= MARK_LEN && (q = memmem(q, (size_t)(e - q), "t=", 2)) && e - q >= MARK_LEN) {
        if (mark_at(c, q, now)) {
            if (!any) c->hint = (uint32_t)(q - p);
            any = true;
            q += MARK_LEN;
        } else q += 2;
    }
    if (!any) other_frames++;
    if (O.seq_key && (any || !O.seq_marked)) seq_scan(c, p, n);
}

static void message(Conn *c, const uint8_t *p, size_t n, uint64_t now) {
    frames_in++;
    for (int i = 0; i < O.nautos; i++)
        if (n >= O.autos[i].inl && !memcmp(p, O.autos[i].in, O.autos[i].inl)) {
            put_frame(c, O.binary ? 2 : 1, (const uint8_t *)O.autos[i].out, O.autos[i].outl);
            flush_out(c);
            if (n == O.autos[i].inl) return;
        }
    if (c->state == ST_DEAD) return;
    if (c->state == ST_SETUP && c->step < O.nsteps && O.steps[c->step].kind == 'W') {
        Step *s = &O.steps[c->step];
        scratch.len = 0;
        expand(&scratch, s->text, s->len, c, 0, 0);
        if (!scratch.len || memmem(p, n, scratch.p, scratch.len)) { c->step++; run_steps(c); }
    }
    if (c->state == ST_DEAD) return;
    scan(c, p, n, now);
}

/* Parses complete frames in p[0..n); returns bytes used, -1 on a dead client. */
static ssize_t parse_ws(Conn *c, uint8_t *p, size_t n, uint64_t now) {
    size_t at = 0;
    while (n - at >= 2) {
        uint8_t *f = p + at;
        uint64_t len = f[1] & 0x7f;
        size_t hl = 2;
        if (len == 126) { if (n - at < 4) break; len = ((uint64_t)f[2] << 8) | f[3]; hl = 4; }
        else if (len == 127) {
            if (n - at < 10) break;
            len = 0;
            for (int i = 0; i < 8; i++) len = (len << 8) | f[2 + i];
            hl = 10;
        }
        if ((f[1] & 0x80) || (f[0] & 0x70)) { proto_err++; conn_dead(c, "masked or RSV frame"); return -1; }
        if (n - at < hl + len) {
            break;
        }
        uint8_t op = f[0] & 15, *d = f + hl;
        bool fin = f[0] & 0x80;
        at += hl + len;
        if (op == 9) { pings++; put_frame(c, 10, d, len); flush_out(c); }
        else if (op == 10) { }
        else if (op == 8) {
            int code = len >= 2 ? (d[0] << 8) | d[1] : 0;
            char why[160];
            snprintf(why, sizeof why, "close %d %.*s", code, len > 2 ? (int)(len - 2 > 90 ? 90 : len - 2) : 0, len > 2 ? (char *)d + 2 : "");
            conn_dead(c, why);
            return -1;
        }
        else if (op == 0 || !fin) {
            if (op) c->frag.len = 0;
            buf_add(&c->frag, d, len);
            if (fin) { message(c, c->frag.p, c->frag.len, now); c->frag.len = 0; }
        }
        else message(c, d, len, now);
        if (c->state == ST_DEAD) return -1;
    }
    return (ssize_t)at;
}

/* Raw mode (IRC, MQTT over TCP, ...): hands on whole lines, many at a time; the
   set-up takes whatever came, as a binary protocol need not end in a newline. */
static ssize_t parse_raw(Conn *c, uint8_t *p, size_t n, uint64_t now) {
    if (c->state != ST_SETUP) {
        uint8_t *nl = memrchr(p, '\n', n);
        if (!nl) return 0;
        n = (size_t)(nl - p) + 1;
    }
    message(c, p, n, now);
    return c->state == ST_DEAD ? -1 : (ssize_t)n;
}

static ssize_t parse(Conn *c, uint8_t *p, size_t n, uint64_t now) {
    size_t at = 0;
    if (c->state == ST_HAND) {
        uint8_t *e = memmem(p, n, "\r\n\r\n", 4);
        if (!e) return 0;
        if (n < 12 || memcmp(p + 9, "101", 3)) {
            char why[160];
            snprintf(why, sizeof why, "handshake refused: %.*s", (int)(n > 120 ? 120 : n), p);
            conn_dead(c, why);
            return -1;
        }
        at = (size_t)(e - p) + 4;
        c->state = ST_SETUP;
        run_steps(c);
        if (c->state == ST_DEAD) return -1;
    }
    ssize_t k = O.raw ? parse_raw(c, p + at, n - at, now) : parse_ws(c, p + at, n - at, now);
    return k < 0 ? -1 : (ssize_t)at + k;
}

static uint8_t rbuf[RBUF_SIZE];

static void on_readable(Conn *c) {
    for (int rounds = 0; rounds < 4; rounds++) {
        ssize_t k;
        if (c->in.len) {                       /* finish a partial frame in its own buffer */
            buf_need(&c->in, 65536);
            k = recv(c->fd, c->in.p + c->in.len, c->in.cap - c->in.len, 0);
        } else k = recv(c->fd, rbuf, sizeof rbuf, 0);
        if (k < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR) continue;
            conn_dead(c, "read failed");
            return;
        }
        if (k == 0) { conn_dead(c, "closed by server"); return; }
        uint64_t now = now_ns();
        bytes_in += (uint64_t)k;
        if (measuring) m_bytes += (uint64_t)k;
        bool part = c->in.len > 0;
        uint8_t *p = part ? c->in.p : rbuf;
        size_t n = part ? c->in.len + (size_t)k : (size_t)k, room = part ? c->in.cap - c->in.len : sizeof rbuf;
        if (part) c->in.len = n;
        ssize_t used = parse(c, p, n, now);
        if (used < 0) return;
        size_t left = n - (size_t)used;
        if (part) {
            memmove(c->in.p, c->in.p + used, left);
            c->in.len = left;
            if (!left && c->in.cap > 8192) buf_free(&c->in);
        } else if (left) { c->in.len = 0; buf_add(&c->in, rbuf + used, left); }
        if ((size_t)k < room) return;          /* the socket is empty: spare one recv */
    }
}

/* ------------------------------------------------------------ connecting -- */

static void start_conn(Conn *c) {
    if (!first_conn) first_conn = now_ns();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket: %s (raise ulimit -n?)", strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)O.port) };
    if (inet_pton(AF_INET, O.host, &a.sin_addr) != 1) die("--host must be an IPv4 address");
    if ((ntohl(a.sin_addr.s_addr) >> 24) != 127) die("only 127.0.0.0/8 is a target");
    c->state = ST_CONN;
    n_inflight++;
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) {
        conn_dead(c, strerror(errno));
        return;
    }
    c->want_out = true;
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static void connected(Conn *c) {
    int err = 0;
    socklen_t l = sizeof err;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
    if (err) { conn_dead(c, strerror(err)); return; }
    if (O.raw) { c->state = ST_SETUP; run_steps(c); return; }
    c->state = ST_HAND;
    uint8_t key[16];
    char b64[32];
    static const char A[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 16; i++) key[i] = (uint8_t)(rnd() >> 24);
    int w = 0;
    for (int i = 0; i < 15; i += 3) {
        uint32_t v = (uint32_t)key[i] << 16 | (uint32_t)key[i + 1] << 8 | key[i + 2];
        for (int j = 18; j >= 0; j -= 6) b64[w++] = A[(v >> j) & 63];
    }
    b64[w++] = A[key[15] >> 2]; b64[w++] = A[(key[15] & 3) << 4]; b64[w++] = '='; b64[w++] = '='; b64[w] = 0;
    char t[512];
    scratch.len = 0;
    buf_add(&scratch, "GET ", 4);
    expand(&scratch, O.path, strlen(O.path), c, 0, 0);
    int k = sprintf(t, " HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", O.host, O.port, b64);
    buf_add(&scratch, t, (size_t)k);
    if (O.origin) { k = snprintf(t, sizeof t, "Origin: %s\r\n", O.origin); buf_add(&scratch, t, (size_t)k); }
    if (O.subproto) { k = snprintf(t, sizeof t, "Sec-WebSocket-Protocol: %s\r\n", O.subproto); buf_add(&scratch, t, (size_t)k); }
    for (int i = 0; i < O.nheaders; i++) {
        expand(&scratch, O.headers[i], strlen(O.headers[i]), c, 0, 0);
        buf_add(&scratch, "\r\n", 2);
    }
    buf_add(&scratch, "\r\n", 2);
    buf_add(&c->out, scratch.p, scratch.len);
    flush_out(c);
}

/* --------------------------------------------------------------- sending -- */

static const char *pl_text;
static size_t pl_len;

static void send_one(Conn *c, uint64_t stamp) {
    uint64_t n = ++c->sent;
    scratch.len = 0;
    expand(&scratch, pl_text, pl_len, c, stamp, n);
    put_frame(c, O.binary ? 2 : 1, scratch.p, scratch.len);
    int owed = room_size[c->room] - (O.echo ? 0 : 1);
    expected += (uint64_t)owed;
    tot_sent++;
    if (measuring) m_sent++;
    if (O.window) { c->ring[n & ring_mask] = (uint32_t)owed; c->outstanding++; }
}

static void send_window(void) {
    int n = wq_len;
    wq_len = 0;
    for (int i = 0; i < n; i++) {
        Conn *c = &C[wq[i]];
        c->queued = false;
        if (c->state != ST_READY) continue;
        while (c->outstanding < (uint32_t)O.window) send_one(c, now_ns());
        flush_out(c);
    }
}

/* ------------------------------------------------- the server's resources -- */

typedef struct { double cpu; long rss_kb, hwm_kb, pss_kb; int procs, threads; } Usage;

static int proc_ppid(int pid, unsigned long *ticks) {
    char f[64], b[1024];
    sprintf(f, "/proc/%d/stat", pid);
    FILE *h = fopen(f, "r");
    if (!h) return -1;
    size_t k = fread(b, 1, sizeof b - 1, h);
    fclose(h);
    b[k] = 0;
    char *p = strrchr(b, ')');
    if (!p) return -1;
    int ppid;
    unsigned long ut, st;
    if (sscanf(p + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ppid, &ut, &st) != 3) return -1;
    if (ticks) *ticks = ut + st;
    return ppid;
}

/* Sums CPU and memory over the given pids and all their live descendants. */
static Usage usage(void) {
    Usage u = { 0 };
    if (!O.npids) return u;
    static int pid[65536], par[65536];
    static char in[65536];
    int n = 0;
    DIR *d = opendir("/proc");
    struct dirent *e;
    while (d && (e = readdir(d)) && n < 65536)
        if (isdigit((unsigned char)e->d_name[0])) {
            pid[n] = atoi(e->d_name);
            par[n] = proc_ppid(pid[n], NULL);
            in[n] = 0;
            for (int i = 0; i < O.npids; i++) if (O.pids[i] == pid[n]) in[n] = 1;
            n++;
        }
    if (d) closedir(d);
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < n; i++) {
            if (in[i]) continue;
            for (int j = 0; j < n; j++) if (in[j] && pid[j] == par[i]) { in[i] = 1; more = true; break; }
        }
    }
    for (int i = 0; i < n; i++) {
        if (!in[i]) continue;
        unsigned long tk;
        if (proc_ppid(pid[i], &tk) < 0) continue;
        /* schedstat has ns, but per thread; the clock ticks are exact to 10 ms */
        u.cpu += (double)tk / (double)sysconf(_SC_CLK_TCK);
        u.procs++;
        char f[64], line[256];
        sprintf(f, "/proc/%d/status", pid[i]);
        FILE *h = fopen(f, "r");
        while (h && fgets(line, sizeof line, h)) {
            long v;
            if (sscanf(line, "VmRSS: %ld", &v) == 1) u.rss_kb += v;
            if (sscanf(line, "VmHWM: %ld", &v) == 1) u.hwm_kb += v;
            if (sscanf(line, "Threads: %ld", &v) == 1) u.threads += (int)v;
        }
        if (h) fclose(h);
    }
    return u;
}

static double self_cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_utime.tv_sec + (double)r.ru_utime.tv_usec / 1e6 + (double)r.ru_stime.tv_sec + (double)r.ru_stime.tv_usec / 1e6;
}

/* busy and total jiffies of the whole machine: shows noise from other work */
static void machine_cpu(double *busy, double *total) {
    unsigned long long v[8] = { 0 };
    FILE *h = fopen("/proc/stat", "r");
    if (h && fscanf(h, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7) == 8) { }
    if (h) fclose(h);
    double hz = (double)sysconf(_SC_CLK_TCK);
    *busy = (double)(v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / hz;
    *total = *busy + (double)(v[3] + v[4]) / hz;
}

/* ------------------------------------------------------------------ main -- */

static void usage_text(void) {
    fputs("usage: wsfan --port P [options]\n"
          "  --host A --port P --path T --header T --origin S --subproto S --raw\n"
          "  --clients N --rooms K --senders S(per room) --user-base U\n"
          "  --setup T --setup-bin T --wait T     (in order; client is ready after the last)\n"
          "  --auto IN OUT                        (answer a frame that starts with IN)\n"
          "  --payload T --pad BYTES --binary --nomask --no-echo\n"
          "  --rate MSG_PER_S | --window W        --duration S --warmup S --settle S --drain S --hold S\n"
          "  --inflight N --conn-timeout S --retries N --allow-partial --room-ids FILE\n"
          "  --seq-key S --seq-marked --server-pid PID --label S --json --quiet\n"
          "templates: %d index %u user %r room %R room-5-digits %i room id from --room-ids %t stamp %s sender %n counter %k random %p pad\n", stderr);
    exit(2);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    enum { HOST = 1000, PORT, PATH, HDR, ORIGIN, SUBP, RAW, CLI, ROOMS, SEND, UB, SETUP, SETUPB, WAIT, AUTO,
           PAY, PAD, BIN, NOMASK, NOECHO, RATE, WIN, DUR, WARM, SETTLE, DRAIN, HOLD, INFL, CTO, PART, SEQ,
           SEQM, SPID, LABEL, JSON, QUIET, STAMPA, RETRIES, RIDS, HELP };
    static struct option lo[] = {
        {"host",1,0,HOST},{"port",1,0,PORT},{"path",1,0,PATH},{"header",1,0,HDR},{"origin",1,0,ORIGIN},
        {"subproto",1,0,SUBP},{"raw",0,0,RAW},{"clients",1,0,CLI},{"rooms",1,0,ROOMS},{"senders",1,0,SEND},
        {"user-base",1,0,UB},{"setup",1,0,SETUP},{"setup-bin",1,0,SETUPB},{"wait",1,0,WAIT},{"auto",1,0,AUTO},
        {"payload",1,0,PAY},{"pad",1,0,PAD},{"binary",0,0,BIN},{"nomask",0,0,NOMASK},{"no-echo",0,0,NOECHO},
        {"rate",1,0,RATE},{"window",1,0,WIN},{"duration",1,0,DUR},{"warmup",1,0,WARM},{"settle",1,0,SETTLE},
        {"drain",1,0,DRAIN},{"hold",1,0,HOLD},{"inflight",1,0,INFL},{"conn-timeout",1,0,CTO},
        {"allow-partial",0,0,PART},{"seq-key",1,0,SEQ},{"seq-marked",0,0,SEQM},{"server-pid",1,0,SPID},
        {"label",1,0,LABEL},{"json",0,0,JSON},{"quiet",0,0,QUIET},{"stamp-actual",0,0,STAMPA},{"retries",1,0,RETRIES},{"room-ids",1,0,RIDS},{"help",0,0,HELP},{0,0,0,0} };
    int o;
    size_t l;
    const char *rids = NULL;
    while ((o = getopt_long(argc, argv, "", lo, NULL)) != -1) switch (o) {
        case HOST: O.host = optarg; break;
        case PORT: O.port = atoi(optarg); break;
        case PATH: O.path = optarg; break;
        case HDR: if (O.nheaders == MAX_HDRS) die("too many headers"); O.headers[O.nheaders++] = optarg; break;
        case ORIGIN: O.origin = optarg; break;
        case SUBP: O.subproto = optarg; break;
        case RAW: O.raw = true; break;
        case CLI: O.clients = atoi(optarg); break;
        case ROOMS: O.rooms = atoi(optarg); break;
        case SEND: O.senders = atoi(optarg); break;
        case UB: O.user_base = atoll(optarg); break;
        case SETUP: case SETUPB: case WAIT:
            if (O.nsteps == MAX_STEPS) die("too many steps");
            O.steps[O.nsteps].kind = o == SETUP ? 'S' : o == SETUPB ? 'B' : 'W';
            O.steps[O.nsteps].text = unescape(optarg, &l);
            O.steps[O.nsteps++].len = l;
            break;
        case AUTO:                              /* --auto IN OUT */
            if (O.nautos == MAX_AUTO || optind >= argc) die("--auto IN OUT");
            O.autos[O.nautos].in = unescape(optarg, &O.autos[O.nautos].inl);
            O.autos[O.nautos].out = unescape(argv[optind++], &O.autos[O.nautos].outl);
            O.nautos++;
            break;
        case PAY: O.payload = optarg; break;
        case PAD: O.pad = atoi(optarg); break;
        case BIN: O.binary = true; break;
        case NOMASK: O.nomask = true; break;
        case NOECHO: O.echo = false; break;
        case RATE: O.rate = atof(optarg); break;
        case WIN: O.window = atoi(optarg); break;
        case DUR: O.duration = atof(optarg); break;
        case WARM: O.warmup = atof(optarg); break;
        case SETTLE: O.settle = atof(optarg); break;
        case DRAIN: O.drain = atof(optarg); break;
        case HOLD: O.hold = atof(optarg); break;
        case INFL: O.inflight = atoi(optarg); break;
        case CTO: O.conn_timeout = atof(optarg); break;
        case PART: O.partial = true; break;
        case SEQ: O.seq_key = optarg; break;
        case SEQM: O.seq_marked = true; break;
        case SPID: if (O.npids < MAX_PIDS) O.pids[O.npids++] = atoi(optarg); break;
        case LABEL: O.label = optarg; break;
        case JSON: O.json = true; break;
        case QUIET: O.quiet = true; break;
        case STAMPA: O.stamp_actual = true; break;
        case RETRIES: O.retries = atoi(optarg); break;
        case RIDS: rids = optarg; break;
        default: usage_text();
    }
    if (O.clients < 1 || O.clients > 99999 || O.rooms < 1 || O.rooms > O.clients) die("bad --clients/--rooms");
    if (rids) read_room_ids(rids, O.rooms);
    bool idle = O.rate <= 0 && O.window <= 0;
    pl_text = unescape(O.payload, &pl_len);
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    if (rl.rlim_cur < (rlim_t)O.clients + 64) {
        rl.rlim_cur = (rlim_t)O.clients + 1024;
        if (rl.rlim_max < rl.rlim_cur) rl.rlim_max = rl.rlim_cur;
        if (setrlimit(RLIMIT_NOFILE, &rl)) die("cannot raise RLIMIT_NOFILE to %d", O.clients + 1024);
    }
    rng_state ^= now_ns();
    run_start = now_ns();
    C = calloc((size_t)O.clients, sizeof *C);
    room_size = calloc((size_t)O.rooms, sizeof *room_size);
    wq = calloc((size_t)O.clients, sizeof *wq);
    again = calloc((size_t)O.clients, sizeof *again);
    int nsend = 0, *snd = calloc((size_t)O.clients, sizeof *snd);
    uint32_t rc = 1;
    while (rc < (uint32_t)O.window * 2 + 2) rc *= 2;
    ring_mask = rc - 1;
    for (int i = 0; i < O.clients; i++) {
        Conn *c = &C[i];
        c->fd = -1;
        c->idx = i;
        c->room = i % O.rooms;
        c->slot = room_size[c->room] < O.senders ? room_size[c->room] : -1;
        room_size[c->room]++;
        c->tr = calloc((size_t)O.senders, sizeof *c->tr);
        if (c->slot >= 0) { snd[nsend++] = i; if (O.window) c->ring = calloc(rc, sizeof *c->ring); }
    }
    ep = epoll_create1(EPOLL_CLOEXEC);

    enum { P_CONN, P_SETTLE, P_WARM, P_MEAS, P_DRAIN, P_HOLD, P_END } ph = P_CONN;
    Usage u_before = usage(), u_ready = { 0 }, u0 = { 0 }, u1 = { 0 };
    double cpu0 = 0, cpu1 = 0, mb0 = 0, mt0 = 0, mb1 = 0, mt1 = 0;
    uint64_t ph_end = 0, t0 = 0, t1 = 0, next_send = 0, drain_at = 0, last_print = 0;
    int rr = 0, rc_exit = 0;
    uint64_t gap_ns = O.rate > 0 ? (uint64_t)(1e9 / O.rate) : 0;
    struct epoll_event ev[512];
    while (ph != P_END) {
        uint64_t now = now_ns();
        if (ph == P_CONN) {
            while (n_open_tried < O.clients && n_inflight < O.inflight) start_conn(&C[n_open_tried++]);
            for (int k = again_len; k > 0 && n_inflight < O.inflight; k--) start_conn(&C[again[--again_len]]);
            if (n_ready + n_failed >= O.clients || (double)(now - run_start) / 1e9 > O.conn_timeout) {
                if (!all_ready) all_ready = now;
                if (n_ready < O.clients && !O.partial) {
                    fprintf(stderr, "wsfan: only %d of %d clients ready: %s\n", n_ready, O.clients, first_error);
                    rc_exit = 3;
                    break;
                }
                ph = P_SETTLE;
                ph_end = now + (uint64_t)(O.settle * 1e9);
            }
            if (!O.quiet && now - last_print > 2000000000ull) {
                last_print = now;
                fprintf(stderr, "wsfan: %d ready, %d in flight, %d failed %s\n", n_ready, n_inflight, n_failed, first_error);
            }
        }
        if (ph == P_SETTLE && now >= ph_end) {
            u_ready = usage();
            if (idle) { ph = P_HOLD; ph_end = now + (uint64_t)(O.hold * 1e9); u0 = u1 = u_ready; t0 = t1 = now; }
            else {
                ph = P_WARM;
                now = now_ns();
                ph_end = now + (uint64_t)(O.warmup * 1e9);
                sending = true;
                next_send = now;
                if (O.window) for (int i = 0; i < nsend; i++) { C[snd[i]].queued = true; wq[wq_len++] = snd[i]; }
            }
        }
        if (ph == P_WARM && now >= ph_end) {
            u0 = usage(); cpu0 = self_cpu(); machine_cpu(&mb0, &mt0);
            t0 = now_ns();
            ph = P_MEAS;
            ph_end = t0 + (uint64_t)(O.duration * 1e9);
            measuring = true;
        }
        if (ph == P_MEAS && now >= ph_end) {
            t1 = now_ns();
            measuring = false; sending = false; sends_over = true;
            u1 = usage(); cpu1 = self_cpu(); machine_cpu(&mb1, &mt1);
            ph = P_DRAIN;
            now = drain_at = now_ns();
            last_delivery = drain_at;
        }
        if (ph == P_DRAIN && (tot_recv >= expected || (double)(now - last_delivery) / 1e9 > O.drain || (double)(now - drain_at) / 1e9 > O.drain * 10)) {
            ph = P_HOLD;
            ph_end = now + (uint64_t)(O.hold * 1e9);
        }
        if (ph == P_HOLD && now >= ph_end) ph = P_END;
        if (sending && !O.window)
            while (next_send <= (now = now_ns())) {
                Conn *c = &C[snd[rr]];
                rr = (rr + 1) % nsend;
                if (c->state == ST_READY) { send_one(c, O.stamp_actual ? now : next_send); flush_out(c); }
                next_send += gap_ns;
            }
        if (sending && O.window && wq_len) send_window();
        /* sleep until the next thing due, at most 20 ms */
        int64_t wait = 20000000;
        if (sending && !O.window) { wait = (int64_t)(next_send - now_ns()); if (wait < 0) wait = 0; if (wait > 20000000) wait = 20000000; }
        struct timespec ts = { 0, wait };
        int n = epoll_pwait2(ep, ev, 512, &ts, NULL);
        for (int i = 0; i < n; i++) {
            Conn *c = ev[i].data.ptr;
            if (c->state == ST_DEAD) continue;
            if (c->state == ST_CONN) { connected(c); continue; }
            if (ev[i].events & EPOLLOUT) flush_out(c);
            if (c->state != ST_DEAD && (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) on_readable(c);
            /* keep the open-loop clock honest inside a long batch */
            if (sending && !O.window && (i & 63) == 63) {
                uint64_t nw = now_ns();
                while (next_send <= nw) {
                    Conn *s = &C[snd[rr]];
                    rr = (rr + 1) % nsend;
                    if (s->state == ST_READY) { send_one(s, O.stamp_actual ? nw : next_send); flush_out(s); }
                    next_send += gap_ns;
                }
            }
        }
    }
    Usage u_end = usage();
    double secs = t1 > t0 ? (double)(t1 - t0) / 1e9 : 0;
    double csec = first_conn && all_ready > first_conn ? (double)(all_ready - first_conn) / 1e9 : 0;
    double scpu = u1.cpu - u0.cpu, mcpu = cpu1 - cpu0;
    uint64_t lost = expected > tot_recv ? expected - tot_recv : 0;
    double other = (mb1 - mb0) - scpu - mcpu;
#define P(k, f, v) printf(O.json ? ", \"%s\": " f : "\n%-26s " f, k, v)
    if (O.json) printf("{");
    printf(O.json ? "\"label\": \"%s\"" : "label                      %s", O.label);
    P("clients", "%d", O.clients); P("rooms", "%d", O.rooms); P("senders_per_room", "%d", O.senders);
    P("rate", "%.0f", O.rate); P("window", "%d", O.window); P("seconds", "%.3f", secs);
    P("ready", "%d", n_ready); P("failed", "%d", n_failed); P("retried", "%d", n_retried); P("closed_during_run", "%d", n_closed);
    P("connects_per_s", "%.0f", csec > 0 ? n_ready / csec : 0);
    P("sent", "%llu", (unsigned long long)tot_sent); P("expected", "%llu", (unsigned long long)expected);
    P("received", "%llu", (unsigned long long)tot_recv); P("lost", "%llu", (unsigned long long)lost);
    P("duplicated", "%llu", (unsigned long long)dups); P("reordered", "%llu", (unsigned long long)reorder);
    P("sender_gaps", "%llu", (unsigned long long)gap_events);
    P("seq_seen", "%llu", (unsigned long long)seq_seen); P("seq_violations", "%llu", (unsigned long long)seq_viol);
    P("seq_missing", "%llu", (unsigned long long)seq_gaps);
    P("foreign", "%llu", (unsigned long long)foreign); P("old_marks", "%llu", (unsigned long long)late_old);
    P("frames_in", "%llu", (unsigned long long)frames_in); P("other_frames", "%llu", (unsigned long long)other_frames);
    P("msgs_sent_per_s", "%.1f", secs > 0 ? (double)m_sent / secs : 0);
    P("deliveries_per_s", "%.0f", secs > 0 ? (double)m_recv / secs : 0);
    P("bytes_per_s", "%.0f", secs > 0 ? (double)m_bytes / secs : 0);
    P("bytes_per_delivery", "%.1f", m_recv ? (double)m_bytes / (double)m_recv : 0);
    P("lat_ms_mean", "%.3f", hist_n ? hist_sum / (double)hist_n / 1e6 : 0);
    P("lat_ms_p50", "%.3f", hist_pct(50)); P("lat_ms_p90", "%.3f", hist_pct(90)); P("lat_ms_p99", "%.3f", hist_pct(99));
    P("lat_ms_p999", "%.3f", hist_pct(99.9)); P("lat_ms_max", "%.3f", (double)hist_max / 1e6);
    P("client_cpu_s", "%.3f", mcpu); P("client_cpu_us_per_delivery", "%.3f", m_recv ? mcpu * 1e6 / (double)m_recv : 0);
    P("server_cpu_s", "%.3f", scpu); P("server_cpu_us_per_delivery", "%.3f", m_recv ? scpu * 1e6 / (double)m_recv : 0);
    P("server_cpu_pct", "%.1f", secs > 0 ? scpu / secs * 100 : 0);
    P("other_cpu_pct", "%.1f", secs > 0 ? other / secs * 100 : 0);
    P("server_procs", "%d", u_end.procs); P("server_threads", "%d", u_end.threads);
    P("rss_before_kb", "%ld", u_before.rss_kb); P("rss_ready_kb", "%ld", u_ready.rss_kb);
    P("rss_end_kb", "%ld", u_end.rss_kb); P("rss_peak_kb", "%ld", u_end.hwm_kb);
    P("kb_per_conn", "%.2f", n_ready ? (double)(u_ready.rss_kb - u_before.rss_kb) / n_ready : 0);
    P("pings", "%llu", (unsigned long long)pings); P("protocol_errors", "%llu", (unsigned long long)proto_err);
    printf(O.json ? ", \"error\": \"%s\"}\n" : "\nerror                      %s\n", first_error);
    if (!rc_exit && !idle && (lost || dups || reorder || n_closed)) rc_exit = 1;
    return rc_exit;
}
