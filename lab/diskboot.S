/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boots an unpacked Linux from a disk, where an emulated CPU would take half a minute to unpack one
 * (lab/bochs.sh makes the disk). The BIOS loads the first sector, that the rest of this, and this
 * the kernel and its initramfs. It enters the kernel in 64-bit mode, where its own unpacker would:
 * RSI has struct boot_params (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol").
 *
 * At DISKBOOT_PARTS of the disk stand, four bytes each: for the kernel and for the initramfs the first
 * sector, how many, and the address they go to; then the initramfs' size in bytes, and where the
 * kernel is entered. At DISKBOOT_CMDLINE stands the command line.
 */
#define SECTORS		 16 /* of this, with what stands behind it */
#define DISKBOOT_PARTS	 0x1800
#define DISKBOOT_CMDLINE 0x1820

#define BUFFER	      0x10000 /* what was read goes up from here */
#define CHUNK	      127     /* sectors a read: the most that every BIOS takes */
#define BOOT_PARAMS   0x20000
#define PAGE_TABLES   0x21000
#define BP_E820_COUNT 0x1e8
#define BP_LOADER     0x210
#define BP_RAMDISK    0x218
#define BP_CMDLINE    0x228
#define BP_E820	      0x2d0

	.code16
	.globl _start
_start:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	ljmp $0, $1f
1:
	mov %dl, drive
	call read
	jmp load

/* One packet's sectors. */
read:
	mov $packet, %si
	mov drive, %dl
	mov $0x42, %ah
	int $0x13
	jc stop
	ret

stop:
	hlt
	jmp stop

packet:
	.word 16
count:
	.word SECTORS - 1
buffer:
	.word 0x7e00, 0
sector:
	.quad 1
drive:
	.byte 0
	.org 510
	.word 0xaa55

load:
	in $0x92, %al
	or $2, %al
	and $0xfe, %al
	out %al, $0x92 /* address line 20 */
	movw $0, buffer
	movw $BUFFER >> 4, buffer + 2
	mov $parts, %bp
	call load_part
	add $12, %bp
	call load_part
	call describe
	cli
	lgdt gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmp $0x10, $protected

/* BP: a part. */
load_part:
	mov (%bp), %eax
	mov %eax, sector
	mov 4(%bp), %edx
	mov 8(%bp), %edi
2:
	mov $CHUNK, %eax
	cmp %eax, %edx
	jae 3f
	mov %edx, %eax
3:
	mov %ax, count
	push %edx
	push %edi
	call read
	pop %edi
	pop %edx
	call copy_up
	movzwl count, %eax
	add %eax, sector
	sub %eax, %edx
	jnz 2b
	ret

/* The buffer to EDI, which is beyond real mode's limit: keep a flat segment's. */
copy_up:
	cli
	lgdt gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	mov $8, %bx
	mov %bx, %ds
	mov %bx, %es
	and $0xfe, %al
	mov %eax, %cr0
	movzwl %cs:count, %ecx
	shl $7, %ecx
	mov $BUFFER, %esi
	addr32 rep movsl
	xor %bx, %bx
	mov %bx, %ds
	mov %bx, %es
	sti
	ret

/* struct boot_params: the memory map, the initramfs, the command line. */
describe:
	mov $BOOT_PARAMS >> 4, %ax
	mov %ax, %es
	xor %di, %di
	xor %ax, %ax
	mov $0x4000 >> 1, %cx /* and the page tables behind it */
	rep stosw
	mov $BP_E820, %di
	xor %ebx, %ebx
4:
	mov $0xe820, %eax
	mov $0x534d4150, %edx
	mov $20, %ecx
	int $0x15
	jc 5f
	add $20, %di
	incb %es:BP_E820_COUNT
	test %ebx, %ebx
	jnz 4b
5:
	movb $0xff, %es:BP_LOADER
	mov parts + 20, %eax
	mov %eax, %es:BP_RAMDISK
	mov parts + 24, %eax
	mov %eax, %es:BP_RAMDISK + 4
	movl $cmdline, %es:BP_CMDLINE
	ret

	.code32
protected:
	mov $8, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	/* The first GiB, each address at itself. */
	movl $PAGE_TABLES + 0x1003, PAGE_TABLES
	movl $PAGE_TABLES + 0x2003, PAGE_TABLES + 0x1000
	mov $PAGE_TABLES + 0x2000, %edi
	mov $0x83, %eax
6:
	mov %eax, (%edi)
	add $8, %edi
	add $0x200000, %eax
	cmp $0x40000000, %eax
	jb 6b
	mov %cr4, %eax
	or $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov $PAGE_TABLES, %eax
	mov %eax, %cr3
	mov parts + 28, %ebp
	mov $0xc0000080, %ecx /* EFER.LME */
	rdmsr
	or $0x100, %eax
	wrmsr
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	ljmp $0x18, $long

	.code64
long:
	mov $BOOT_PARAMS, %esi
	mov %ebp, %eax
	jmp *%rax

	.balign 8
gdt:
	.quad 0
	.quad 0x00cf92000000ffff /* data */
	.quad 0x00cf9a000000ffff /* code, 32 bits */
	.quad 0x00af9a000000ffff /* code, 64 bits */
gdtr:
	.word . - gdt - 1
	.long gdt
	.org DISKBOOT_PARTS
	.equ parts, _start + DISKBOOT_PARTS
	.equ cmdline, _start + DISKBOOT_CMDLINE
