/* A libnvidia-ml.so.1 without a driver behind it. The environment variable FAKE_NVML says which machine it plays. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };

typedef struct { uint64_t total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct {
    char busIdLegacy[16];
    unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} pci_t;
typedef struct {
    unsigned multiprocessors, copy, decoder, encoder, jpeg, ofa, gpuSlices, computeSlices;
    uint64_t memorySizeMB;
} attributes_t;

static int plays(const char *machine) {
    const char *chosen = getenv("FAKE_NVML");
    return chosen && strcmp(chosen, machine) == 0;
}

/* A handle is 1 + the GPU's number; MIG instances begin at 100. */
static uintptr_t number(void *handle) { return (uintptr_t)handle; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (plays("not_loaded")) return DRIVER_NOT_LOADED;
    if (plays("hang")) sleep(60);
    if (plays("crash")) abort();
    return OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == DRIVER_NOT_LOADED ? "Driver Not Loaded" : "Some Error"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = plays("mig") ? 1 : 2; return OK; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if (plays("lost") && index == 0) return GPU_IS_LOST;
    *handle = (void *)(uintptr_t)(index + 1);
    return OK;
}
int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    strncpy(name, number(handle) >= 100 ? "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
                : plays("mig") ? "NVIDIA A100-SXM4-40GB" : "NVIDIA H100 80GB HBM3", length);
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, memory_t *memory) {
    if (plays("bare")) return NOT_SUPPORTED;
    uint64_t mib = number(handle) >= 100 ? 4864 : plays("mig") ? 40960 : 81559;
    memory->total = mib << 20;
    memory->free = (mib - 100 * number(handle) % 1000) << 20;
    memory->used = memory->total - memory->free;
    return OK;
}
#ifndef OLD
int nvmlDeviceGetUtilizationRates(void *handle, utilization_t *rates) {
    if (plays("bare") || plays("mig")) return NOT_SUPPORTED;
    rates->gpu = 30 * number(handle);
    rates->memory = 1;
    return OK;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    (void)handle;
    if (!plays("mig")) return NOT_SUPPORTED;
    *current = *pending = 1;
    return OK;
}
#endif
int nvmlDeviceGetPciInfo_v3(void *handle, pci_t *pci) {
    if (plays("bare")) return NOT_SUPPORTED;
    memset(pci, 0, sizeof *pci);
    pci->pciDeviceId = plays("mig") ? 0x20B010DE : 0x233010DE;
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    (void)handle;
    if (plays("bare")) return NOT_SUPPORTED;
    *major = plays("mig") ? 8 : 9;
    *minor = 0;
    return OK;
}
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
    strncpy(uuid, number(handle) == 1 ? "GPU-aaaa-1" : "GPU-bbbb-2", length);
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { (void)handle; *count = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **instance) {
    (void)handle;
    if (index % 3) return NOT_FOUND;
    *instance = (void *)(uintptr_t)(100 + index);
    return OK;
}
int nvmlDeviceGetAttributes_v2(void *handle, attributes_t *attributes) {
    (void)handle;
    memset(attributes, 0, sizeof *attributes);
    attributes->memorySizeMB = 4864;
    return OK;
}
int nvmlSystemGetDriverVersion(char *version, unsigned length) { strncpy(version, "550.54.15", length); return OK; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 12040; return OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12040; return OK; }
