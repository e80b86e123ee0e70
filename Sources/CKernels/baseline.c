// What every processor of the target has: SSE2 on x86-64, NEON on aarch64, else scalar code.

#pragma STDC FP_CONTRACT OFF

#define KERNEL(name) name##_baseline
#define KERNEL_TARGET

#include "template.h"
