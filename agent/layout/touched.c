/* Prints the functions that a program calls at least once, as patterns for used.txt:
 *
 *   cc -O2 -o /tmp/touched agent/layout/touched.c
 *   CARGO_PROFILE_RELEASE_STRIP=none cargo build --release --bin crmscope-agent
 *   /tmp/touched 60 target/release/crmscope-agent --config FILE > agent/layout/used.txt
 *
 * Every function gets a breakpoint at its first byte, which goes when it is hit, so the program
 * runs at nearly full speed. Names lose the identifiers of crates, which change with the compiler.
 * For x86-64; the program must not be stripped. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUNCTIONS_MAX 200000

struct function {
    unsigned long offset;
    unsigned char byte;
    char hit;
    char *name;
};

static struct function functions[FUNCTIONS_MAX];
static size_t count;
static volatile sig_atomic_t over;

static void stop(int number) {
    (void)number;
    over = 1;
}

static int by_offset(const void *left, const void *right) {
    unsigned long a = ((const struct function *)left)->offset;
    unsigned long b = ((const struct function *)right)->offset;
    return (a > b) - (a < b);
}

static void read_names(const char *program) {
    char line[65536], command[4096], kind;
    static char name[65536];
    unsigned long offset;
    snprintf(command, sizeof command, "nm '%s'", program);
    FILE *nm = popen(command, "r");
    while (nm && count < FUNCTIONS_MAX && fgets(line, sizeof line, nm)) {
        if (sscanf(line, "%lx %c %65535s", &offset, &kind, name) == 3 && strchr("tTwW", kind)) {
            functions[count].offset = offset;
            functions[count++].name = strdup(name);
        }
    }
    if (nm) pclose(nm);
    qsort(functions, count, sizeof *functions, by_offset);
}

/* Where the program lies. */
static unsigned long base_of(pid_t child) {
    char path[64];
    unsigned long base = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", child);
    FILE *maps = fopen(path, "r");
    if (!maps || fscanf(maps, "%lx", &base) != 1) exit(1);
    fclose(maps);
    return base;
}

/* `Cs3kz_4core` is a crate's identifier and its name. What follows a dot tells copies apart. */
static void print_pattern(const char *name) {
    const char *letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (strncmp(name, "_R", 2) != 0) {
        puts(name);
        return;
    }
    const char *end = name + strcspn(name, ".");
    while (name < end) {
        size_t length = strncmp(name, "Cs", 2) == 0 ? strspn(name + 2, letters) : 0;
        if (length < 6 || name[2 + length] != '_') {
            putchar(*name++);
            continue;
        }
        fputs("Cs*", stdout);
        name += 2 + length;
    }
    putchar('\n');
}

static void hit(int memory, pid_t thread, unsigned long base) {
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, thread, 0, &registers);
    struct function wanted = {.offset = registers.rip - 1 - base};
    struct function *found = bsearch(&wanted, functions, count, sizeof wanted, by_offset);
    if (!found) return;
    while (found > functions && found[-1].offset == found->offset) found--;
    pwrite(memory, &found->byte, 1, (off_t)(base + found->offset));
    for (struct function *same = found; same < functions + count && same->offset == found->offset; same++) same->hit = 1;
    registers.rip--;
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
}

int main(int arguments, char **argument) {
    if (arguments < 3) return fputs("touched SECONDS PROGRAM [ARGUMENT]...\n", stderr), 2;
    read_names(argument[2]);
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argument[2], argument + 2);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    unsigned long base = base_of(child);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", child);
    int memory = open(path, O_RDWR);
    for (size_t i = 0; i < count; i++) {
        int same = i > 0 && functions[i].offset == functions[i - 1].offset;
        if (same) functions[i].byte = functions[i - 1].byte;
        else pread(memory, &functions[i].byte, 1, (off_t)(base + functions[i].offset));
    }
    for (size_t i = 0; i < count; i++) pwrite(memory, "\xcc", 1, (off_t)(base + functions[i].offset));
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGALRM, &action, 0);
    alarm((unsigned)atoi(argument[1]));
    ptrace(PTRACE_CONT, child, 0, 0);
    while (!over) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR) continue;
        if (thread < 0) break;
        if (!WIFSTOPPED(status)) continue;
        int number = WSTOPSIG(status);
        if (number == SIGTRAP && status >> 16 == 0) hit(memory, thread, base);
        int kept = number == SIGTRAP || number == SIGSTOP ? 0 : number;
        ptrace(PTRACE_CONT, thread, 0, kept);
    }
    kill(child, SIGKILL);
    for (size_t i = 0; i < count; i++)
        if (functions[i].hit) print_pattern(functions[i].name);
    return 0;
}
