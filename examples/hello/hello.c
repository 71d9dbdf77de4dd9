// SPDX-License-Identifier: GPL-2.0-only
/*
 * hello: the smallest driver that shows everything a build has to get right:
 * parameters, a version that comes from the build, and one line in the kernel
 * log when it is loaded and when it is unloaded.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static char *whom = "world";
module_param(whom, charp, 0444);
MODULE_PARM_DESC(whom, "whom to greet (default: world)");

static unsigned int times = 1;
module_param(times, uint, 0444);
MODULE_PARM_DESC(times, "how many times to greet (default: 1)");

static int __init hello_init(void)
{
	pr_info("hello, %s (%u times, version %s)\n", whom, times, HELLO_VERSION);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("goodbye, %s\n", whom);
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_AUTHOR("The kmodbot authors");
MODULE_DESCRIPTION("Greets once when loaded: an example of an out-of-tree driver");
MODULE_LICENSE("GPL");
MODULE_VERSION(HELLO_VERSION);
