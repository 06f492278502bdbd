/* Makes system calls fail, or kills their process at them: loaded with LD_PRELOAD, armed by
 * injection.py. Only calls on files below one folder count; all others pass. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC = 2, RENAME = 4, UNLINK = 8, OPEN = 16 };
enum action { COUNT, FAIL, KILL_BEFORE, KILL_AFTER, TEAR };

static int armed_kinds, armed_action, armed_errno, lasting;
static long armed_at, count;
static char below[PATH_MAX];

void fault_arm(int kinds, long at, int action, int error, int lasts, const char *folder) {
    snprintf(below, sizeof below, "%s", folder);
    armed_at = at, armed_action = action, armed_errno = error, lasting = lasts, count = 0;
    armed_kinds = kinds;
}

long fault_count(void) { return count; }

static int within(const char *path) { return strncmp(path, below, strlen(below)) == 0; }

static int within_fd(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return within(path);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What is to happen at this call: COUNT is nothing. */
static int due(int kind, int concerned) {
    if (!(armed_kinds & kind) || !concerned) return COUNT;
    count++;
    if (count != armed_at && !(lasting && count > armed_at)) return COUNT;
    if (armed_action == KILL_BEFORE) die();
    return armed_action;
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define GUARDED(kind, concerned, failed, call)                      \
    int fate = due(kind, armed_kinds && (concerned));               \
    if (fate == FAIL) { errno = armed_errno; return failed; }       \
    typeof(call) result = call;                                     \
    if (fate == KILL_AFTER || fate == TEAR) die();                  \
    return result

ssize_t write(int fd, const void *data, size_t size) {
    int fate = due(WRITE, armed_kinds && within_fd(fd));
    if (fate == FAIL) { errno = armed_errno; return -1; }
    ssize_t result = REAL(write)(fd, data, fate == TEAR ? size / 2 : size);
    if (fate != COUNT) die();
    return result;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    int fate = due(WRITE, armed_kinds && within_fd(fd));
    if (fate == FAIL) { errno = armed_errno; return -1; }
    ssize_t result = REAL(pwrite64)(fd, data, fate == TEAR ? size / 2 : size, at);
    if (fate != COUNT) die();
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return pwrite64(fd, data, size, at);
}

int fsync(int fd) { GUARDED(SYNC, within_fd(fd), -1, REAL(fsync)(fd)); }
int fdatasync(int fd) { GUARDED(SYNC, within_fd(fd), -1, REAL(fdatasync)(fd)); }

int rename(const char *from, const char *to) {
    GUARDED(RENAME, within(to), -1, REAL(rename)(from, to));
}

int unlink(const char *path) { GUARDED(UNLINK, within(path), -1, REAL(unlink)(path)); }

#define OPENING(name)                                               \
    int name(const char *path, int flags, ...) {                    \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = va_arg(rest, mode_t);                         \
        va_end(rest);                                               \
        int writes = (flags & O_CREAT) != 0;                        \
        GUARDED(OPEN, writes && within(path), -1, REAL(name)(path, flags, mode)); \
    }

OPENING(open)
OPENING(open64)
