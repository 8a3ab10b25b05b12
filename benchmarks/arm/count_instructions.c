// benchmarks/arm/count_instructions.c: a plugin of QEMU (-plugin) that counts the instructions that a program executes
// between close(-1) and close(-2), two calls that do nothing, and then ends the line that the program has begun with
//   <all> <8-bit multiplications> <loads and stores>
// With the argument mix=on, lines "<executed> <mnemonic>" follow. The declarations are those of QEMU's plugin interface
// (version 1 and later), which Debian's packages have no header for.
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
char* qemu_plugin_insn_disas(const struct qemu_plugin_insn*);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t id, struct qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb*, void (*)(unsigned cpu, void*), int flags, void*);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id,
                                          void (*)(uint64_t id, unsigned cpu, int64_t number, uint64_t, uint64_t,
                                                   uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { kMnemonics = 1024, kClose = 57 };  // close: its number on 64-bit ARM

static char mnemonics[kMnemonics][16];
static uint64_t executed[kMnemonics];

// A translated block: what it contains, and how often it has run since the start.
struct block {
  struct block* next;
  uint64_t runs;
  size_t size;
  uint16_t instructions[];  // indices of mnemonics
};
static struct block* blocks;
static int want_mix;

// The disassembler's first word; it does not know all the extensions, and prints bytes instead.
static void name_of(char name[16], const struct qemu_plugin_insn* instruction) {
  char* text = qemu_plugin_insn_disas(instruction);
  unsigned byte[4];
  strcpy(name, "?");
  if (text != NULL && sscanf(text, ".byte %x, %x, %x, %x", &byte[0], &byte[1], &byte[2], &byte[3]) == 4) {
    const uint32_t word = byte[0] | byte[1] << 8 | byte[2] << 16 | byte[3] << 24;
    if ((word & 0xFFE0FC00U) == 0x4E809400U || (word & 0xFFC0F400U) == 0x4F80E000U) strcpy(name, "sdot");
    if ((word & 0xFFE0FC00U) == 0x4E80AC00U) strcpy(name, "usmmla");
    if ((word & 0xFFE0FC00U) == 0x4E809C00U) strcpy(name, "usdot");
  } else if (text != NULL) {
    sscanf(text, "%15s", name);
  }
  free(text);
}

static uint16_t index_of(const struct qemu_plugin_insn* instruction) {
  char name[16];
  name_of(name, instruction);
  uint16_t i = 0;
  while (i < kMnemonics - 1 && mnemonics[i][0] != '\0' && strcmp(mnemonics[i], name) != 0) ++i;
  strcpy(mnemonics[i], name);
  return i;
}

static void on_run(unsigned cpu, void* data) {
  (void)cpu;
  ++((struct block*)data)->runs;
}

static void on_translation(uint64_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  const size_t size = qemu_plugin_tb_n_insns(tb);
  struct block* block = malloc(sizeof *block + size * sizeof block->instructions[0]);
  if (block == NULL) abort();
  block->next = blocks;
  block->runs = 0;
  block->size = size;
  for (size_t i = 0; i < size; ++i) block->instructions[i] = index_of(qemu_plugin_tb_get_insn(tb, i));
  blocks = block;
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_run, 0, block);
}

static int starts_with(const char* text, const char* start) { return strncmp(text, start, strlen(start)) == 0; }

static int multiplies(const char* name) {
  static const char* const kinds[] = {"sdot", "usdot", "usmmla", "smull", "umull", "smlal", "umlal"};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i)
    if (starts_with(name, kinds[i])) return 1;
  return 0;
}

static void report(void) {
  memset(executed, 0, sizeof executed);
  for (const struct block* block = blocks; block != NULL; block = block->next)
    for (size_t i = 0; i < block->size; ++i) executed[block->instructions[i]] += block->runs;
  uint64_t all = 0, products = 0, memory = 0;
  for (int i = 0; i < kMnemonics; ++i) {
    all += executed[i];
    if (multiplies(mnemonics[i])) products += executed[i];
    if (starts_with(mnemonics[i], "ld") || starts_with(mnemonics[i], "st")) memory += executed[i];
  }
  dprintf(STDOUT_FILENO, " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", all, products, memory);
  for (int i = 0; want_mix && i < kMnemonics; ++i)
    if (executed[i] * 200 > all) dprintf(STDOUT_FILENO, "  %10" PRIu64 " %s\n", executed[i], mnemonics[i]);
}

static void on_syscall(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number != kClose) return;
  if ((int32_t)a1 == -1)
    for (struct block* block = blocks; block != NULL; block = block->next) block->runs = 0;
  if ((int32_t)a1 == -2) report();
}

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void* info, int argc, char** argv) {
  (void)info;
  for (int i = 0; i < argc; ++i)
    if (strcmp(argv[i], "mix=on") == 0) want_mix = 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  return 0;
}
