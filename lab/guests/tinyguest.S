/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's code, position independent, 64-bit, interrupts off except in
 * HLT. RDI: its struct tg_params. RSI: operations left of this kind. An
 * operation is counted right after it was done; a stop is seen between two.
 */
#include "tinyguest.h"

	.section .rodata
	.globl tg_start, tg_handler, tg_end

/* Loop: the body in between is done want[n] times. */
.macro begin n
	mov TG_WANT + 8 * \n(%rdi), %rsi
1:
	test %rsi, %rsi
	jz 2f
	cmpl $0, TG_STOP(%rdi)
	jne 2f
.endm
.macro end n
	incq TG_DID + 8 * \n(%rdi)
	dec %rsi
	jmp 1b
2:
.endm

tg_start:
	/* No fault while an interrupt is delivered: use the pages it needs. */
	mov TG_GDT, %rax
	mov TG_IDT + TG_VECTOR * 16, %rax
	push %rax
	pop %rax
tg_round:
	begin TG_CPUID
	xor %eax, %eax
	xor %ecx, %ecx
	cpuid
	end TG_CPUID

	mov TG_TOUCH_BASE(%rdi), %r8
	begin TG_TOUCH
	mov %rsi, (%r8)
	add $4096, %r8
	end TG_TOUCH

	begin TG_CR3
	mov %cr3, %rax
	mov %rax, %cr3
	end TG_CR3

	mov TG_INVLPG_AT(%rdi), %r8
	begin TG_INVLPG
	invlpg (%r8)
	end TG_INVLPG

	begin TG_IO
	out %al, $TG_PORT_IO
	end TG_IO

	begin TG_MSR
	mov $0x1b, %ecx
	rdmsr
	end TG_MSR

	mov TG_MMIO_AT(%rdi), %r8
	begin TG_MMIO
	mov %rsi, (%r8)
	end TG_MMIO

	mov TG_REMAP_AT(%rdi), %r8
	mov TG_REMAP_PTE(%rdi), %r9
	begin TG_REMAP
	xorq $4096, (%r9)
	invlpg (%r8)
	mov (%r8), %rax
	end TG_REMAP

	begin TG_TIMER
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	add $TG_TIMER_AHEAD, %rax
	mov %rax, %r8
	mov %rax, %rdx
	shr $32, %rdx
	mov $TG_TSC_DEADLINE, %ecx
	wrmsr
3:
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	sub %r8, %rax
	cmp $TG_TIMER_AFTER, %rax
	jl 3b
	end TG_TIMER

	begin TG_HLT
	movq $1, TG_HALTING(%rdi)
	sti
	hlt
after_hlt:
	cli
	out %al, $TG_PORT_ACK
	end TG_HLT

	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, %r8
	begin TG_SPIN
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, %r9
	sub %r8, %rax
	mov %r9, %r8
	cmp $TG_SPIN_GAP, %rax
	ja 3f
	add %rax, TG_SPUN(%rdi)
3:
	end TG_SPIN

	mov $TG_LEAF_ALL, %r8d
	begin TG_FF
	mov %r8d, %eax
	xor %ecx, %ecx
	cpuid
	/* EDX:EAX exits, EBX:ECX cycles */
	shl $32, %rdx
	or %rdx, %rax
	shl $32, %rbx
	or %rbx, %rcx
	cmp TG_FF_EXITS(%rdi), %rax
	jbe 3f
	cmp TG_FF_CYCLES(%rdi), %rcx
	jae 4f
3:
	incq TG_FF_BAD(%rdi)
4:
	mov %rax, TG_FF_EXITS(%rdi)
	mov %rcx, TG_FF_CYCLES(%rdi)
	end TG_FF

	out %al, $TG_PORT_ROUND
	cmpq $0, TG_QUERY_AT(%rdi)
	je tg_round

	/* Each query's page is used before the first mark, so no fault follows it. */
	mov TG_QUERY_AT(%rdi), %r8
	mov TG_WANT + 8 * TG_QUERY(%rdi), %rsi
1:
	mov (%r8), %eax
	mov %eax, (%r8)
	add $TG_QUERY_SIZE, %r8
	dec %rsi
	jnz 1b
	out %al, $TG_PORT_MARK
	mov TG_QUERY_AT(%rdi), %r8
	begin TG_QUERY
	mov (%r8), %eax
	mov 4(%r8), %ecx
	cpuid
	mov %eax, 8(%r8)
	mov %ebx, 12(%r8)
	mov %ecx, 16(%r8)
	mov %edx, 20(%r8)
	add $TG_QUERY_SIZE, %r8
	end TG_QUERY
	out %al, $TG_PORT_MARK
	jmp tg_round

/* IRET is no exit, but dropping the frame is as good and needs no stack switch. */
tg_handler:
	add $40, %rsp
	jmp after_hlt
tg_end:
	.section .note.GNU-stack, "", @progbits
