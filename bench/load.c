/*
 * Asks one HTTP/1.1 server as fast as it answers, over connections that stay open.
 *
 *   load PORT CLIENTS SECONDS MOST REPEAT REQUESTS TAIL
 *
 * Each client sends a request, waits for the whole answer, and sends the next. REQUESTS is a file of whole
 * requests, each after its length (u32, little-endian); TAIL is what follows each of them (a body that they
 * share, or an empty file). REPEAT 1 goes through them again and again, 0 ends after the last. After SECONDS,
 * or MOST requests, no new ones are sent, and those under way are waited for: everything counted is whole.
 * Prints one line of JSON; times are milliseconds, `busy` is the share of one core that this program took.
 * One thread and no copies of bodies, so that it is not what is measured. 127.0.0.1 only; Linux.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 8192
#define SAMPLES_MAX (16u << 20)
/* An answer that takes longer is an error. */
#define PATIENCE_S 60.0

typedef struct {
  int fd;
  int is_busy, has_head;
  const uint8_t *request;
  size_t length, sent;
  char head[HEAD_MAX + 1];
  size_t head_bytes;
  uint64_t left;
  double since;
} client;

static const uint8_t *requests, *tail;
static size_t requests_bytes, tail_bytes, at;
static uint64_t most, begun, done, bytes_in, bytes_out, bad_status, broken;
static int is_repeated, is_over, port, poller;
static float *samples;
static char first_bad[200];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint8_t *slurp(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path);
  fseek(file, 0, SEEK_END);
  *length = ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*length + 1);
  if (bytes == NULL || fread(bytes, 1, *length, file) != *length) fail(path);
  fclose(file);
  return bytes;
}

static void connect_client(client *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (void *)&address, sizeof address) < 0) fail("connect");
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
}

static void wait_for(client *c, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0) fail("epoll_ctl");
}

static void again(client *c) {
  broken++;
  c->is_busy = 0;
  close(c->fd);
  connect_client(c);
}

/* @returns whether all of it is out */
static int push(client *c) {
  while (c->sent < c->length + tail_bytes) {
    struct iovec parts[2];
    int count = 0;
    if (c->sent < c->length) {
      parts[count++] = (struct iovec){(void *)(c->request + c->sent), c->length - c->sent};
    }
    size_t skip = c->sent < c->length ? 0 : c->sent - c->length;
    if (skip < tail_bytes) parts[count++] = (struct iovec){(void *)(tail + skip), tail_bytes - skip};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t wrote = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (wrote < 0) {
      if (errno == EAGAIN) return 0;
      if (errno == EINTR) continue;
      again(c);
      return 0;
    }
    c->sent += wrote;
    bytes_out += wrote;
  }
  return 1;
}

static void begin(client *c) {
  if (is_over || begun == most) return;
  if (at >= requests_bytes) {
    if (!is_repeated) return;
    at = 0;
  }
  uint32_t length;
  memcpy(&length, requests + at, 4);
  c->request = requests + at + 4;
  c->length = length;
  at += 4 + length;
  begun++;
  c->is_busy = 1;
  c->has_head = 0;
  c->head_bytes = c->sent = 0;
  c->since = now();
  if (!push(c) && c->is_busy) wait_for(c, EPOLLIN | EPOLLOUT);
}

static void finish(client *c) {
  if (done < SAMPLES_MAX) samples[done] = (now() - c->since) * 1000;
  done++;
  int status = atoi(c->head + 9);
  if (status < 200 || status > 299) {
    if (bad_status++ == 0) snprintf(first_bad, sizeof first_bad, "%.40s", c->head);
  }
  c->is_busy = 0;
  if (c->sent < c->length + tail_bytes) {
    /* Refused before all of the body was out: the connection is of no use. */
    close(c->fd);
    connect_client(c);
  }
  begin(c);
}

static void take(client *c, const char *bytes, size_t count) {
  bytes_in += count;
  if (!c->has_head) {
    size_t room = HEAD_MAX - c->head_bytes, more = count < room ? count : room;
    memcpy(c->head + c->head_bytes, bytes, more);
    c->head_bytes += more;
    c->head[c->head_bytes] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
      if (c->head_bytes == HEAD_MAX) again(c);
      return;
    }
    char *told = strcasestr(c->head, "\r\ncontent-length:");
    int has_none = strncmp(c->head + 9, "204", 3) == 0;
    if ((told == NULL || told > end) && !has_none) {
      fprintf(stderr, "an answer without a length: %.60s\n", c->head);
      exit(1);
    }
    c->left = has_none ? 0 : strtoull(told + 17, NULL, 10);
    c->has_head = 1;
    /* What came beyond the head; an answer is never longer than the read buffer's first piece of it. */
    size_t before = c->head_bytes - more, used = (end + 4 - c->head) - before;
    count -= used;
  }
  if (count > c->left) {
    again(c);
    return;
  }
  c->left -= count;
  if (c->left == 0) finish(c);
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

int main(int count, char **arguments) {
  if (count != 8) return 2;
  port = atoi(arguments[1]);
  int clients = atoi(arguments[2]);
  double seconds = atof(arguments[3]);
  most = strtoull(arguments[4], NULL, 10);
  is_repeated = atoi(arguments[5]);
  requests = slurp(arguments[6], &requests_bytes);
  tail = slurp(arguments[7], &tail_bytes);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  samples = malloc(SAMPLES_MAX * sizeof *samples);
  poller = epoll_create1(0);
  client *all = calloc(clients, sizeof *all);
  for (int i = 0; i < clients; i++) connect_client(&all[i]);
  static char buffer[1 << 18];
  double start = now();
  for (int i = 0; i < clients; i++) begin(&all[i]);
  for (;;) {
    struct epoll_event events[256];
    int ready = epoll_wait(poller, events, 256, 100);
    for (int i = 0; i < ready; i++) {
      client *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) {
        if (c->is_busy && push(c)) wait_for(c, EPOLLIN);
      }
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t got = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0 || !c->is_busy) {
          again(c);
          begin(c);
        } else {
          take(c, buffer, got);
        }
      }
    }
    double t = now();
    if (t - start >= seconds) is_over = 1;
    int is_waiting = 0;
    for (int i = 0; i < clients && !is_waiting; i++) is_waiting = all[i].is_busy;
    if (!is_waiting) break;
    if (t - start > seconds + PATIENCE_S) {
      for (int i = 0; i < clients; i++) broken += all[i].is_busy;
      break;
    }
  }
  double took = now() - start;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
               (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  size_t kept = done < SAMPLES_MAX ? done : SAMPLES_MAX;
  qsort(samples, kept, sizeof *samples, by_size);
#define AT(q) (kept == 0 ? 0 : samples[(size_t)((q) * (kept - 1))])
  printf("{\"requests\":%lu,\"seconds\":%.4f,\"bytesIn\":%lu,\"bytesOut\":%lu,\"badStatus\":%lu,"
         "\"broken\":%lu,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"busy\":%.2f,\"firstBad\":\"%.12s\"}\n",
         done, took, bytes_in, bytes_out, bad_status, broken, AT(0.5), AT(0.99), AT(1), cpu / took,
         first_bad);
  return 0;
}
