/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A boot sector for a patched KVM, on any number of vCPUs: each other vCPU is woken,
 * does AP_CPUIDS CPUID instructions and halts. Then the first one reads the exit
 * counters' CPUID leaves into a table of struct tg_query (tinyguest.h) at 0x10000, twice,
 * so that the second time no page of the table is new, says so by one byte to the debug
 * console (port 0xe9), and halts too, until it is reset.
 */
#include "tinyguest.h"

#define AP_CPUIDS 500
#define AP_START  0x8000 /* start-up vector 8 */
#define TABLE_SEG 0x1000
#define APIC_ICR  0xfee00300
#define CMOS_CPUS 0x5f /* QEMU: vCPUs less one */

	.code16
	.globl _start
_start:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	ljmp $0, $1f
1:
	/* The local APIC is beyond real mode's limit: keep a flat segment's. */
	lgdt gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	mov $8, %bx
	mov %bx, %ds
	and $0xfe, %al
	mov %eax, %cr0
	xor %bx, %bx
	mov %bx, %ds

	/* The others start with a jump to ap. */
	movb $0xea, AP_START
	movw $ap, AP_START + 1
	movw $0, AP_START + 3
	movw $0, arrived
	mov $APIC_ICR, %esi
	movl $0xc4500, (%esi) /* INIT to all but self */
	movl $0xc4600 + AP_START / 4096, (%esi)
	mov $CMOS_CPUS, %al
	out %al, $0x70
	in $0x71, %al
	xor %ah, %ah
2:
	pause
	cmp %ax, arrived
	jne 2b

	mov $TABLE_SEG, %ax
	mov %ax, %es
	call ask_all
	call ask_all
	mov $'.', %al
	out %al, $0xe9
3:
	hlt
	jmp 3b

ap:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov $AP_CPUIDS, %si
4:
	xor %eax, %eax
	cpuid
	dec %si
	jnz 4b
	lock incw arrived
	jmp 3b

/* Fills the table at ES:0. */
ask_all:
	xor %di, %di
	mov $TG_LEAF_EXITS, %ebp
5:
	mov $ranges, %si
6:
	mov (%si), %ecx
7:
	mov %ebp, %eax
	mov %eax, %es:(%di)
	mov %ecx, %es:4(%di)
	push %ecx
	cpuid
	mov %eax, %es:8(%di)
	mov %ebx, %es:12(%di)
	mov %ecx, %es:16(%di)
	mov %edx, %es:20(%di)
	pop %ecx
	add $TG_QUERY_SIZE, %di
	inc %ecx
	cmp 4(%si), %ecx
	jne 7b
	add $8, %si
	cmp $ranges_end, %si
	jne 6b
	dec %ebp
	cmp $TG_LEAF_CYCLES_2, %ebp
	jne 5b
	ret

/* Exit numbers: first, last + 1. */
ranges:
	.long 0, 0x100
	.long 0x400, 0x408
	.long 0x3fffffff, 0x40000000
	.long 0xfffffff8, 0
ranges_end:
gdt:
	.quad 0, 0x00cf92000000ffff
gdtr:
	.word . - gdt - 1
	.long gdt
arrived:
	.word 0
	.org 510
	.word 0xaa55
