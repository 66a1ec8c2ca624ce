/* Preloaded into a node by the test of slow disks: each sync takes the milliseconds that the file SLOW_FILE names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void wait_as_told(void) {
    long millis = 0;
    const char *name = getenv("SLOW_FILE");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (!file) return;
    if (fscanf(file, "%ld", &millis) != 1) millis = 0;
    fclose(file);
    struct timespec time = {millis / 1000, millis % 1000 * 1000000L};
    if (millis > 0) nanosleep(&time, NULL);
}

static int sync_by(const char *name, int descriptor) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    wait_as_told();
    return real(descriptor);
}

int fdatasync(int descriptor) { return sync_by("fdatasync", descriptor); }

int fsync(int descriptor) { return sync_by("fsync", descriptor); }
