#include "sctp/stack.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "sctp/private.h"

#define LINGER_MS 2000  /* timers run on after the last association has gone */
#define DONE_MS   30000 /* of usrsctp's time that sctp_stack_done lets pass at most */

static struct {
    bool up, draining;
    unsigned owned;     /* slots with an owner */
    uint32_t linger_ms; /* left to run without associations */
    struct stack_slot **slots;
    size_t slot_count, slot_cap;
    struct stack_slot *free_head, **free_tail; /* the one that has been free for longest first */
    struct list pending;
} stack;

uint32_t stack_wire_u32(uint32_t v)
{
    uint8_t bytes[4];
    uint32_t wire;
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_u32(&w, v);
    memcpy(&wire, bytes, sizeof wire);
    return wire;
}

/* ---- slots ---- */

/* The address of a slot, as usrsctp carries it, is its number. */
static void *slot_address(size_t number)
{
    return (void *)(uintptr_t)(number + 1);
}

static struct stack_slot *slot_of(void *address)
{
    size_t number = (size_t)(uintptr_t)address - 1;
    return number < stack.slot_count ? stack.slots[number] : NULL;
}

static struct stack_slot *slot_add(void)
{
    if (stack.slot_count == stack.slot_cap) {
        size_t cap = stack.slot_cap ? 2 * stack.slot_cap : 64;
        struct stack_slot **slots = realloc(stack.slots, cap * sizeof(struct stack_slot *));
        if (!slots)
            return NULL;
        stack.slots = slots;
        stack.slot_cap = cap;
    }
    struct stack_slot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    stack.slots[stack.slot_count] = s;
    s->number = stack.slot_count++;
    usrsctp_register_address(slot_address(s->number));
    return s;
}

struct stack_slot *stack_slot_take(struct sctp_association *owner)
{
    struct stack_slot *s = stack.free_head;
    if (s) {
        stack.free_head = s->next_free;
        if (!stack.free_head)
            stack.free_tail = &stack.free_head;
        s->next_free = NULL;
    } else {
        s = slot_add();
    }
    if (s) {
        s->owner = owner;
        stack.owned++;
    }
    return s;
}

void stack_slot_give(struct stack_slot *s)
{
    s->owner = NULL;
    s->next_free = NULL;
    *stack.free_tail = s;
    stack.free_tail = &s->next_free;
    stack.owned--;
    stack.linger_ms = LINGER_MS;
}

struct sockaddr_conn stack_address(struct stack_slot *s, uint16_t port)
{
    struct sockaddr_conn a;
    uint8_t bytes[2] = {(uint8_t)(port >> 8), (uint8_t)port};
    memset(&a, 0, sizeof a);
    a.sconn_family = AF_CONN;
    memcpy(&a.sconn_port, bytes, sizeof bytes);
    a.sconn_addr = slot_address(s->number);
    return a;
}

/* ---- running ---- */

void stack_mark(struct sctp_association *a)
{
    list_del(&a->pending);
    list_add_tail(&stack.pending, &a->pending);
}

void stack_drain(void)
{
    if (stack.draining)
        return;
    stack.draining = true;
    while (!list_empty(&stack.pending)) {
        struct sctp_association *a = list_entry(stack.pending.next, struct sctp_association, pending);
        list_del(&a->pending);
        association_attend(a);
    }
    stack.draining = false;
}

static int on_output(void *address, void *data, size_t len, uint8_t tos, uint8_t set_df)
{
    struct stack_slot *s = slot_of(address);
    (void)tos;
    (void)set_df;
    /* Nobody is there any more for the last words of an association that is being freed. */
    if (!s || !s->owner)
        return 0;
    s->owner->stats.packets_out++;
    s->owner->ops->output(s->owner->arg, data, len);
    return 0;
}

void sctp_stack_tick(uint32_t elapsed_ms)
{
    if (!stack.up)
        return;
    if (stack.owned == 0)
        stack.linger_ms -= elapsed_ms < stack.linger_ms ? elapsed_ms : stack.linger_ms;
    usrsctp_handle_timers(elapsed_ms);
    stack_drain();
}

bool sctp_stack_is_busy(void)
{
    return stack.owned > 0 || stack.linger_ms > 0;
}

int sctp_stack_init(void)
{
    if (stack.up)
        return -EBUSY;
    list_init(&stack.pending);
    stack.free_tail = &stack.free_head;
    usrsctp_init_nothreads(0, on_output, NULL);
    /* What data channels do not use is off. */
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    usrsctp_sysctl_set_sctp_blackhole(2); /* no answer to packets of nobody's */
    /* The default of 512 messages would be reached before SCTP_LOSSY_BUFFER. */
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(4096);
    usrsctp_sysctl_set_sctp_initial_cwnd(10);
    usrsctp_sysctl_set_sctp_max_burst_default(10);
    stack.up = true;
    return 0;
}

int sctp_stack_done(void)
{
    if (!stack.up)
        return 0;
    if (stack.owned > 0)
        return -EBUSY;
    for (uint32_t ms = 0; usrsctp_finish() != 0; ms += 10) {
        if (ms >= DONE_MS)
            return -EBUSY;
        usrsctp_handle_timers(10);
    }
    for (size_t i = 0; i < stack.slot_count; i++)
        free(stack.slots[i]);
    free(stack.slots);
    memset(&stack, 0, sizeof stack);
    return 0;
}
