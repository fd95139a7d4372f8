/* Hides AVX-512 and AMX from a process, so that tests run as on a processor that has neither.
 *
 *   gcc -O1 -shared -fPIC -o without_avx512.so experiments/without_avx512.c
 *   LD_PRELOAD=$PWD/without_avx512.so JAX_COMPILATION_CACHE_DIR=$(mktemp -d) .venv/bin/python -m pytest -p no:faulthandler
 *
 * Linux on x86-64 whose processor can fault on CPUID (`cpuid_fault` in /proc/cpuinfo): the kernel turns the instruction
 * into a SIGSEGV, which is answered here with what the processor says, less those features, as a Haswell. Compiled
 * programs need a folder of their own, for those that are kept are named after /proc/cpuinfo, which is not changed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012 /* asm/prctl.h */
#define BIT(n) (1u << (n))

/* Leaf 7 of CPUID (Intel's manual, volume 2A, table 3-17): AVX-512's parts in EBX and ECX, it and AMX in EDX. */
static const unsigned EBX_7 = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const unsigned ECX_7 = BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14);
static const unsigned EDX_7 = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);
/* Its subleaf 1: AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA in EAX; EDX has nothing older. */
static const unsigned EAX_7_1 = BIT(4) | BIT(5) | BIT(21) | BIT(23);
static const unsigned HASWELL = 0x000306c3, STATES_UP_TO_AVX = 7;

static int (*set_action)(int, const struct sigaction *, struct sigaction *);

static long allow_cpuid(unsigned long allowed) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed); }

static void answer(int number, siginfo_t *information, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
  if (instruction[0] != 0x0f || instruction[1] != 0xa2) { /* a real crash: it happens again, unanswered */
    signal(SIGSEGV, SIG_DFL);
    return;
  }
  const unsigned leaf = registers[REG_RAX], subleaf = registers[REG_RCX];
  unsigned a = leaf, b, c = subleaf, d;
  allow_cpuid(1);
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  allow_cpuid(0);
  if (leaf == 1) a = HASWELL;
  if (leaf == 7 && subleaf == 0) b &= ~EBX_7, c &= ~ECX_7, d &= ~EDX_7;
  if (leaf == 7 && subleaf == 1) a &= ~EAX_7_1, d = 0;
  if (leaf == 0xd && subleaf == 0) a &= STATES_UP_TO_AVX;
  registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

/* Nobody else may take SIGSEGV: Python's faulthandler would. */
int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
  if (!set_action) set_action = dlsym(RTLD_NEXT, "sigaction");
  if (number != SIGSEGV || !action) return set_action(number, action, before);
  if (before) memset(before, 0, sizeof *before);
  return 0;
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
  if (!set_action) set_action = dlsym(RTLD_NEXT, "sigaction");
  set_action(SIGSEGV, &action, 0);
  if (allow_cpuid(0)) _exit(99); /* this kernel or processor cannot */
}
