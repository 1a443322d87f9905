/*
 * A line between two network interfaces: a rate, a delay and a loss, for every protocol alike.
 *
 *   relay IFACE1 IFACE2 BITS_PER_SECOND DELAY_US LOSS_PPM QUEUE_BYTES [SEED]
 *
 * Each direction has a bottleneck (BITS_PER_SECOND, with a queue of QUEUE_BYTES before it: what finds it
 * full is dropped), then a delay, and loses LOSS_PPM of a million segments at random. Frames come as the
 * sender's stack makes them for a card that segments by itself (up to 64 KiB, virtio_net_hdr); they count
 * and get lost by the segments they stand for, so that 1500-byte frames cost no more than with a real card.
 * Prints "ready", and at SIGTERM what it forwarded. Linux, root, IPv4.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VNET sizeof(struct virtio_net_hdr)
#define FRAME_MAX (VNET + 14 + 65536 + 64)
#define RING (96u << 20)
#define SLOTS (1u << 16)
/* Preamble, frame check sequence and gap of Ethernet. */
#define WIRE_EXTRA 24
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct slot {
  uint64_t due;
  uint32_t at, length;
};

struct line {
  int in, out;
  uint64_t bits, delay, queue, loss;
  uint64_t random, freeAt;
  uint8_t *ring;
  struct slot *slots;
  uint32_t head, tail, write;
  uint64_t segments, bytes, lost, overflowed, failed;
};

static struct line lines[2];
static volatile sig_atomic_t stop;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t draw(struct line *l) {
  l->random ^= l->random << 13;
  l->random ^= l->random >> 7;
  l->random ^= l->random << 17;
  return (l->random >> 11) % 1000000;
}

static int openPort(const char *name) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  int one = 1, size = 64 << 20;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one)) die("PACKET_VNET_HDR");
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one)) die("PACKET_IGNORE_OUTGOING");
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) die("SO_RCVBUFFORCE");
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  address.sll_ifindex = if_nametoindex(name);
  if (address.sll_ifindex == 0) die(name);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
  return fd;
}

static uint32_t sum16(const uint8_t *p, unsigned n, uint32_t sum) {
  for (; n > 1; n -= 2, p += 2) sum += p[0] << 8 | p[1];
  return sum;
}

static uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

static void put16(uint8_t *p, uint16_t v) {
  p[0] = v >> 8;
  p[1] = v;
}

/* Room for a frame in the ring, in one piece; 0 when it is full. */
static uint8_t *room(struct line *l) {
  if (l->head - l->tail >= SLOTS) return 0;
  uint32_t first = l->head == l->tail ? l->write : l->slots[l->tail % SLOTS].at;
  if (l->head == l->tail) first = l->write = 0;
  if (l->write >= first && l->write + FRAME_MAX > RING) l->write = 0;
  else if (l->write >= first) return l->ring + l->write;
  return l->write + FRAME_MAX <= first ? l->ring + l->write : 0;
}

/* What stands at l->write becomes due after the bottleneck and the delay. */
static void enqueue(struct line *l, uint32_t length, uint32_t wire, uint32_t segments, uint64_t at) {
  uint64_t start = l->freeAt > at ? l->freeAt : at;
  uint64_t waiting = (start - at) * l->bits / 8000000000ull;
  if (waiting > l->queue) {
    l->overflowed += segments;
    return;
  }
  l->freeAt = start + wire * 8000000000ull / l->bits;
  struct slot *s = &l->slots[l->head++ % SLOTS];
  s->due = l->freeAt + l->delay;
  s->at = l->write;
  s->length = length;
  l->write = (l->write + length + 63) & ~63u;
  l->segments += segments;
  l->bytes += wire;
}

/* Segments `from` to `to` of a frame that stands for `count`, as a frame of their own. */
static void piece(struct line *l, const uint8_t *frame, uint32_t length, uint32_t heads, uint32_t from,
                  uint32_t to, uint32_t count, uint64_t at) {
  const struct virtio_net_hdr *v = (const void *)frame;
  uint32_t start = heads + from * v->gso_size;
  uint32_t end = to == count ? length : heads + to * v->gso_size;
  uint32_t n = heads + end - start;
  uint32_t wire = end - start + (to - from) * (heads - VNET + WIRE_EXTRA);
  uint8_t *p = room(l);
  if (p == 0) {
    l->overflowed += to - from;
    return;
  }
  memcpy(p, frame, heads);
  memcpy(p + heads, frame + start, end - start);
  struct virtio_net_hdr *h = (void *)p;
  if (to - from == 1) h->gso_type = VIRTIO_NET_HDR_GSO_NONE, h->gso_size = 0;
  uint8_t *ip = p + VNET + 14, *transport = ip + (ip[0] & 15) * 4;
  uint32_t size = n - VNET - 14, inner = size - (transport - ip);
  put16(ip + 2, size);
  put16(ip + 10, 0);
  put16(ip + 10, ~fold(sum16(ip, transport - ip, 0)));
  uint32_t pseudo = fold(sum16(ip + 12, 8, ip[9] + inner));
  if (ip[9] == 6) {
    uint32_t sequence;
    memcpy(&sequence, transport + 4, 4);
    sequence = htonl(ntohl(sequence) + from * v->gso_size);
    memcpy(transport + 4, &sequence, 4);
    if (to < count) transport[13] &= ~0x09; /* FIN and PSH belong to the last. */
    put16(transport + 16, pseudo);
  } else {
    put16(transport + 4, inner);
    put16(transport + 6, pseudo);
  }
  enqueue(l, n, wire, to - from, at);
}

static void take(struct line *l, uint32_t length, uint64_t at) {
  uint8_t *frame = l->ring + l->write;
  const struct virtio_net_hdr *v = (const void *)frame;
  const uint8_t *ip = frame + VNET + 14;
  uint32_t heads = VNET + 14 + (ip[0] & 15) * 4;
  int isLong = v->gso_type != VIRTIO_NET_HDR_GSO_NONE && v->gso_size > 0;
  if (isLong) heads += ip[9] == 6 ? (frame[heads + 12] >> 4) * 4 : 8;
  if (!isLong || heads >= length) {
    if (l->loss > 0 && draw(l) < l->loss) l->lost++;
    else enqueue(l, length, length - VNET + WIRE_EXTRA, 1, at);
    return;
  }
  uint32_t count = (length - heads + v->gso_size - 1) / v->gso_size;
  static __thread uint8_t copy[FRAME_MAX];
  uint32_t from = 0;
  int isSplit = 0;
  for (uint32_t i = 0; i <= count; i++) {
    int isLost = i < count && l->loss > 0 && draw(l) < l->loss;
    if (!isLost && i < count) continue;
    if (!isSplit && isLost) memcpy(copy, frame, length), isSplit = 1;
    if (i > from) {
      if (isSplit) piece(l, copy, length, heads, from, i, count, at);
      else enqueue(l, length, length - heads + count * (heads - VNET + WIRE_EXTRA), count, at);
    }
    l->lost += isLost;
    from = i + 1;
  }
}

static void *forward(void *argument) {
  struct line *l = argument;
  prctl(PR_SET_TIMERSLACK, 1);
  while (!stop) {
    for (int i = 0; i < 64; i++) {
      uint8_t *p = room(l);
      if (p == 0) break;
      ssize_t n = recv(l->in, p, FRAME_MAX, MSG_TRUNC);
      if (n < 0) break;
      if (n >= (ssize_t)VNET + 34 && n <= (ssize_t)FRAME_MAX) take(l, n, now());
      else l->failed++;
    }
    uint64_t at = now();
    while (l->tail != l->head && l->slots[l->tail % SLOTS].due <= at) {
      struct slot *s = &l->slots[l->tail % SLOTS];
      if (send(l->out, l->ring + s->at, s->length, MSG_DONTWAIT) < 0) {
        if (errno == EAGAIN || errno == ENOBUFS) break;
        l->failed++;
      }
      l->tail++;
    }
    struct timespec wait = {0, 100000000};
    if (l->tail != l->head) {
      uint64_t due = l->slots[l->tail % SLOTS].due;
      at = now();
      wait.tv_nsec = due > at ? (due - at < 100000000 ? due - at : 100000000) : 20000;
    }
    struct pollfd p = {.fd = l->in, .events = POLLIN};
    ppoll(&p, 1, &wait, 0);
  }
  return 0;
}

static void onStop(int signal) {
  (void)signal;
  stop = 1;
}

int main(int argc, char **argv) {
  if (argc < 7) {
    fprintf(stderr, "relay IFACE1 IFACE2 BITS_PER_SECOND DELAY_US LOSS_PPM QUEUE_BYTES [SEED]\n");
    return 2;
  }
  int ports[2] = {openPort(argv[1]), openPort(argv[2])};
  struct sigaction action = {.sa_handler = onStop};
  sigaction(SIGTERM, &action, 0);
  sigaction(SIGINT, &action, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    struct line *l = &lines[i];
    l->in = ports[i], l->out = ports[1 - i];
    l->bits = strtoull(argv[3], 0, 10);
    l->delay = strtoull(argv[4], 0, 10) * 1000;
    l->loss = strtoull(argv[5], 0, 10);
    l->queue = strtoull(argv[6], 0, 10);
    l->random = (argc > 7 ? strtoull(argv[7], 0, 10) : 1) * 0x9e3779b97f4a7c15ull + i + 1;
    l->ring = mmap(0, RING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    l->slots = calloc(SLOTS, sizeof *l->slots);
    if (l->ring == MAP_FAILED || l->slots == 0) die("memory");
    if (pthread_create(&threads[i], 0, forward, l)) die("thread");
  }
  puts("ready");
  fflush(stdout);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  for (int i = 0; i < 2; i++) {
    struct line *l = &lines[i];
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof stats;
    getsockopt(l->in, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
    printf("%s: %llu segments, %llu bytes, %llu lost, %llu overflowed, %llu failed, %u missed\n",
           i == 0 ? "forth" : "back", (unsigned long long)l->segments, (unsigned long long)l->bytes,
           (unsigned long long)l->lost, (unsigned long long)l->overflowed,
           (unsigned long long)l->failed, stats.tp_drops);
  }
  return 0;
}
