/* A stand-in for libnvidia-ml.so.1 with which the tests meet drivers that misbehave.
 *
 * It signs nothing: its reports are a nonce in the right place among zero bytes. Each macro below
 * is one way in which a driver can differ; the defaults are a system with two Hopper GPUs and
 * confidential computing on. Structures follow nvml.h: all members are unsigned ints or byte
 * arrays, in this order and without padding. */
#include <stdio.h>
#include <string.h>

#ifndef INIT
#define INIT 0
#endif
#ifndef GPUS
#define GPUS 2
#endif
#ifndef ARCH
#define ARCH 9
#endif
#ifndef CC
#define CC 1
#endif
#ifndef DEVTOOLS
#define DEVTOOLS 0
#endif
#ifndef STATE
#define STATE 0
#endif
#ifndef ASKED
#define ASKED 0
#endif
#ifndef REPORT_SIZE
#define REPORT_SIZE 4130
#endif
#ifndef CHAIN_SIZE
#define CHAIN_SIZE 5
#endif
#ifndef NONCE_FLIP
#define NONCE_FLIP 0
#endif

typedef unsigned int u32;
typedef struct { u32 environment, feature, devtools; } state_t;
typedef struct { u32 version, environment, feature, devtools, multi_gpu; } settings_t;
typedef struct {
    u32 cec_present, size, cec_size;
    unsigned char nonce[32], report[8192], cec[4096];
} report_t;
typedef struct {
    u32 size, attestation_size;
    unsigned char chain[4096], attestation_chain[5120];
} chain_t;

static u32 put(char *out, u32 room, const char *text) {
    if (strlen(text) + 1 > room) return 7;
    strcpy(out, text);
    return 0;
}

u32 nvmlInit_v2(void) { return INIT; }
u32 nvmlShutdown(void) { return 0; }
u32 nvmlSystemGetDriverVersion(char *out, u32 room) { return put(out, room, "550.90.07"); }
u32 nvmlDeviceGetCount_v2(u32 *count) { *count = GPUS; return 0; }
u32 nvmlDeviceGetHandleByIndex_v2(u32 index, void **device) {
    if (index >= GPUS) return 2;
    *device = (void *)((char *)0 + index + 1);
    return 0;
}
u32 nvmlDeviceGetName(void *device, char *out, u32 room) {
    (void)device;
    return put(out, room, "fake GPU of the tests");
}
u32 nvmlDeviceGetUUID(void *device, char *out, u32 room) {
    char text[32];
    snprintf(text, sizeof text, "GPU-fake-%d", (int)((char *)device - (char *)0) - 1);
    return put(out, room, text);
}
u32 nvmlDeviceGetVbiosVersion(void *device, char *out, u32 room) {
    (void)device;
    return put(out, room, "96.00.9F.00.01");
}
u32 nvmlDeviceGetArchitecture(void *device, u32 *arch) { (void)device; *arch = ARCH; return 0; }

#ifndef NO_STATE
u32 nvmlSystemGetConfComputeState(state_t *state) {
    state->environment = 2;
    state->feature = CC;
    state->devtools = DEVTOOLS;
    return STATE;
}
#endif

#ifndef NO_SETTINGS
u32 nvmlSystemGetConfComputeSettings(settings_t *settings) {
    if (settings->version != (sizeof *settings | 1u << 24)) return 25;
    settings->multi_gpu = 1;
    return 0;
}
#endif

u32 nvmlDeviceGetConfComputeGpuAttestationReport(void *device, report_t *answer) {
    (void)device;
    memcpy(answer->report + 4, answer->nonce, sizeof answer->nonce);
    answer->report[35] ^= NONCE_FLIP;
    answer->size = REPORT_SIZE;
    answer->cec_size = 0xffffffff;
    return ASKED;
}
u32 nvmlDeviceGetConfComputeGpuCertificate(void *device, chain_t *answer) {
    (void)device;
    memcpy(answer->attestation_chain, "chain", 6);
    answer->attestation_size = CHAIN_SIZE;
    return 0;
}
