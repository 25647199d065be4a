// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Registers the virtio devices that the hypervisor names on the kernel's command line.
 *
 * A Nitro enclave has neither PCI nor ACPI: its devices are words `virtio_mmio.device=SIZE@BASE:IRQ` behind the image's
 * own command line. Debian's kernel is built without the reading of these words. Init hands them to this module, as
 * device=WORD,WORD, and the module makes a platform device of each, which the kernel's own virtio_mmio driver then takes.
 *
 * Trust: the words come from the hypervisor, which can give the enclave any device anyway. What is malformed is refused
 * as a whole, before anything is registered. It cannot be unloaded and has no state.
 *
 * Licence: the kernel exports platform_device_register_full to modules under its own licence only.
 */
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#define MOST_DEVICES 16
#define MOST_BYTES 65536

static char *device[MOST_DEVICES];
static int devices;
module_param_array(device, charp, &devices, 0);
MODULE_PARM_DESC(device, "SIZE@BASE:IRQ,...");

/* One word as a window of memory and an interrupt. */
static int __init parse(const char *word, struct resource window[2])
{
	char *rest;
	unsigned long long size = memparse(word, &rest);
	unsigned long long base, irq;

	if (size == 0 || size > MOST_BYTES || *rest != '@')
		return -EINVAL;
	base = simple_strtoull(rest + 1, &rest, 0);
	if (base == 0 || base + size < base || *rest != ':')
		return -EINVAL;
	irq = simple_strtoull(rest + 1, &rest, 0);
	if (irq == 0 || irq > INT_MAX || *rest != '\0')
		return -EINVAL;
	window[0] = (struct resource)DEFINE_RES_MEM(base, size);
	window[1] = (struct resource)DEFINE_RES_IRQ(irq);
	return 0;
}

static struct resource windows[MOST_DEVICES][2] __initdata;

static int __init virtio_mmio_words_init(void)
{
	int i, error;

	for (i = 0; i < devices; i++) {
		error = parse(device[i], windows[i]);
		if (error)
			return error;
	}
	for (i = 0; i < devices; i++) {
		struct platform_device *made = platform_device_register_simple("virtio-mmio", i, windows[i], 2);

		if (IS_ERR(made))
			return PTR_ERR(made);
	}
	return 0;
}
module_init(virtio_mmio_words_init);

MODULE_DESCRIPTION("Registers the virtio devices named on the kernel's command line");
MODULE_LICENSE("Dual MIT/GPL");
