/* A preload that moves a process's wall clock: by so many milliseconds (64 bits, little endian) as stand in the file that
   QUORATE_TEST_CLOCK names; read again at each call. Other clocks are left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_ms;

__attribute__((constructor)) static void open_file(void) {
  const char *name = getenv("QUORATE_TEST_CLOCK");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) ahead_ms = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int failed = (int)syscall(SYS_clock_gettime, clock, time);
  if (failed || clock != CLOCK_REALTIME || !ahead_ms) return failed;
  int64_t nanos = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + *ahead_ms * 1000000;
  time->tv_sec = nanos / 1000000000;
  time->tv_nsec = nanos % 1000000000;
  return 0;
}
