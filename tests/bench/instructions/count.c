/* Counts the instructions that a guest executes: a plugin for QEMU 7.2's user mode.
 *
 * Whenever the guest calls getppid(), a line "mark: N" with the count so far goes to standard error,
 * so that the guest says itself what is counted. Debian has no qemu-plugin.h; what is used of it is
 * declared here. Built with -DMARK=n, the number that the guest's kernel has for getppid.
 */
#include <inttypes.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
enum plugin_operation { ADD_U64 };

typedef void translated_callback(plugin_id id, struct qemu_plugin_tb *block);
typedef void syscall_callback(
    plugin_id id, unsigned int cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translated_callback *callback);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, syscall_callback *callback);
void qemu_plugin_register_vcpu_tb_exec_inline(
    struct qemu_plugin_tb *block, enum plugin_operation operation, void *counter, uint64_t amount);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);

int qemu_plugin_version = 1;
static uint64_t instructions;

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    qemu_plugin_register_vcpu_tb_exec_inline(
        block, ADD_U64, &instructions, qemu_plugin_tb_n_insns(block));
}

static void called(
    plugin_id id, unsigned int cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    if (number == MARK)
        fprintf(stderr, "mark: %" PRIu64 "\n", instructions);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
