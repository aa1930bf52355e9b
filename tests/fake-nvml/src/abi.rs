//! The functions of `nvml.h` that the agent calls, under their C names.
//!
//! Layouts and numbers were written down from NVIDIA's header, not taken from the bindings that the agent uses, so that
//! a mistake in either shows. All structures are unsigned integers and byte arrays, all but `Process` and `Memory`
//! without padding; the sizes are held below at compile time.
//!
//! Every function does three things in this order, as the library it stands for: it refuses to work before
//! initialisation and on handles and null pointers it did not hand out, it does what the scene says goes wrong, it
//! answers.

#![expect(
    unsafe_code,
    reason = "a C library is called with pointers and found by unmangled names"
)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_uchar, c_uint, c_ulonglong, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::play::{NONCE_LENGTH, Play};
use crate::scene::{Gpu, SCENE_FILE};

type Return = c_uint;
/// `nvmlDevice_t`: opaque to callers; here the index plus one, never dereferenced.
type Handle = *mut c_void;

const SUCCESS: Return = 0;
const UNINITIALIZED: Return = 1;
const INVALID_ARGUMENT: Return = 2;
const NOT_SUPPORTED: Return = 3;
const NOT_FOUND: Return = 6;
const INSUFFICIENT_SIZE: Return = 7;
const ARGUMENT_VERSION_MISMATCH: Return = 25;
const UNKNOWN: Return = 999;

/// `NVML_STRUCT_VERSION`: size in the lower 24 bits, version in the upper 8.
const MEMORY_VERSION: c_uint = 40 | 2 << 24;
/// The same.
const SETTINGS_VERSION: c_uint = 20 | 1 << 24;

#[repr(C)]
struct Capabilities {
    cpu: c_uint,
    gpus: c_uint,
}

#[repr(C)]
struct State {
    environment: c_uint,
    feature: c_uint,
    dev_tools: c_uint,
}

#[repr(C)]
struct Settings {
    version: c_uint,
    environment: c_uint,
    feature: c_uint,
    dev_tools: c_uint,
    multi_gpu: c_uint,
}

#[repr(C)]
struct Certificate {
    chain_size: c_uint,
    attestation_chain_size: c_uint,
    chain: [c_uchar; 0x1000],
    attestation_chain: [c_uchar; 0x1400],
}

#[repr(C)]
struct Report {
    is_cec_report_present: c_uint,
    report_size: c_uint,
    cec_report_size: c_uint,
    nonce: [c_uchar; NONCE_LENGTH],
    report: [c_uchar; 0x2000],
    cec_report: [c_uchar; 0x1000],
}

#[repr(C)]
struct PciInfo {
    bus_id_legacy: [c_uchar; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    pci_device_id: c_uint,
    pci_subsystem_id: c_uint,
    bus_id: [c_uchar; 32],
}

#[repr(C)]
struct Process {
    pid: c_uint,
    memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

#[repr(C)]
struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
struct AccountingStats {
    gpu_utilization: c_uint,
    memory_utilization: c_uint,
    max_memory: c_ulonglong,
    time: c_ulonglong,
    start: c_ulonglong,
    is_running: c_uint,
    reserved: [c_uint; 5],
}

const _: () = {
    assert!(size_of::<Process>() == 24);
    assert!(size_of::<Memory>() == 40);
    assert!(size_of::<AccountingStats>() == 56);
    assert!(size_of::<Capabilities>() == 8);
    assert!(size_of::<State>() == 12);
    assert!(size_of::<Settings>() == 20);
    assert!(size_of::<Certificate>() == 8 + 0x1000 + 0x1400);
    assert!(size_of::<Report>() == 12 + 32 + 0x2000 + 0x1000);
    assert!(size_of::<PciInfo>() == 68);
};

/// What is played now, and how many times it was initialised.
struct Stage {
    play: Option<Arc<Play>>,
    opened: u32,
}

static STAGE: Mutex<Stage> = Mutex::new(Stage {
    play: None,
    opened: 0,
});

fn playing() -> Result<Arc<Play>, Return> {
    let stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    stage.play.clone().ok_or(UNINITIALIZED)
}

fn returned(result: Result<(), Return>) -> Return {
    result.err().unwrap_or(SUCCESS)
}

/// A call about the whole system.
fn of_system(call: &str, answer: impl FnOnce(&Play) -> Result<(), Return>) -> Return {
    returned(playing().and_then(|play| {
        play.meet(call, None)?;
        answer(&play)
    }))
}

/// A call about one GPU.
fn of_gpu(
    call: &str,
    handle: Handle,
    answer: impl FnOnce(&Play, u32, &Gpu) -> Result<(), Return>,
) -> Return {
    returned(playing().and_then(|play| {
        let index = handle.addr().checked_sub(1).ok_or(INVALID_ARGUMENT)?;
        let index = u32::try_from(index).map_err(|_| INVALID_ARGUMENT)?;
        let gpu = play.gpu(index).ok_or(INVALID_ARGUMENT)?;
        play.meet(call, Some(index))?;
        answer(&play, index, gpu)
    }))
}

/// Writes an answer.
///
/// # Safety
/// `out` is null or may be written as a `T`.
unsafe fn put<T>(out: *mut T, value: T) -> Result<(), Return> {
    if out.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, so writable as a `T` by the contract of this function.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes a text and the NUL behind it.
///
/// # Safety
/// `out` is null or may be written for `room` bytes.
unsafe fn put_text(out: *mut c_char, room: c_uint, text: &str) -> Result<(), Return> {
    if out.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    let needed = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if needed >= room {
        return Err(INSUFFICIENT_SIZE);
    }
    // SAFETY: not null, so writable for `room` bytes by the contract of this function; the text and its NUL are fewer
    // or as many, and cannot overlap with memory of the caller.
    unsafe {
        out.cast::<u8>()
            .copy_from_nonoverlapping(text.as_ptr(), text.len());
        out.cast::<u8>().add(text.len()).write(0);
    }
    Ok(())
}

/// Copies bytes to the front of a buffer.
fn fill(buffer: &mut [u8], bytes: &[u8]) -> Result<u32, Return> {
    let front = buffer.get_mut(..bytes.len()).ok_or(INSUFFICIENT_SIZE)?;
    front.copy_from_slice(bytes);
    u32::try_from(bytes.len()).map_err(|_| INSUFFICIENT_SIZE)
}

/// The folder this library was loaded from.
fn own_folder() -> Option<PathBuf> {
    let symbol = nvmlInit_v2 as extern "C" fn() -> Return as *const c_void;
    // SAFETY: the structure consists of pointers, for which zero bytes are a value. `dladdr` writes it, and where it
    // answers with something else than 0, the name in it is a C string that lives as long as this library is loaded.
    let name = unsafe {
        let mut found: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(symbol, &raw mut found) == 0 || found.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(found.dli_fname)
    };
    let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    path.parent().map(PathBuf::from)
}

fn open(call: &str) -> Result<(), Return> {
    let mut stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let play = match &stage.play {
        Some(play) => Arc::clone(play),
        None => {
            let scene = own_folder().ok_or(UNKNOWN)?.join(SCENE_FILE);
            let loaded = Play::load(&scene).map_err(|why| {
                eprintln!("fake-nvml: {why}");
                UNKNOWN
            })?;
            Arc::new(loaded)
        }
    };
    play.meet(call, None)?;
    stage.play = Some(play);
    stage.opened = stage.opened.saturating_add(1);
    Ok(())
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> Return {
    returned(open("nvmlInit_v2"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> Return {
    returned(open("nvmlInitWithFlags"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> Return {
    let mut stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    if stage.opened == 0 {
        return UNINITIALIZED;
    }
    stage.opened = stage.opened.saturating_sub(1);
    if stage.opened == 0 {
        stage.play = None;
    }
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(code: Return) -> *const c_char {
    let text = match code {
        SUCCESS => c"The operation was successful",
        UNINITIALIZED => c"Uninitialized",
        INVALID_ARGUMENT => c"Invalid Argument",
        _ => c"fake-nvml: an error",
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(out: *mut c_char, room: c_uint) -> Return {
    of_system("nvmlSystemGetDriverVersion", |play| {
        // SAFETY: nvml.h: `out` has `room` bytes.
        unsafe { put_text(out, room, &play.scene.driver_version) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNVMLVersion(out: *mut c_char, room: c_uint) -> Return {
    of_system("nvmlSystemGetNVMLVersion", |play| {
        // SAFETY: nvml.h: `out` has `room` bytes.
        unsafe { put_text(out, room, &play.scene.nvml_version) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(out: *mut c_int) -> Return {
    of_system("nvmlSystemGetCudaDriverVersion_v2", |play| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, play.scene.cuda_version) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeCapabilities(out: *mut Capabilities) -> Return {
    of_system("nvmlSystemGetConfComputeCapabilities", |play| {
        let capabilities = Capabilities {
            cpu: play.scene.cpu_capabilities,
            gpus: play.scene.gpu_capabilities,
        };
        // SAFETY: nvml.h: `out` is one such structure.
        unsafe { put(out, capabilities) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeState(out: *mut State) -> Return {
    of_system("nvmlSystemGetConfComputeState", |play| {
        let state = State {
            environment: play.scene.environment,
            feature: play.scene.cc_feature,
            dev_tools: play.scene.dev_tools,
        };
        // SAFETY: nvml.h: `out` is one such structure.
        unsafe { put(out, state) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeSettings(out: *mut Settings) -> Return {
    of_system("nvmlSystemGetConfComputeSettings", |play| {
        // SAFETY: nvml.h: `out` is one such structure, whose version the caller has set.
        let settings = unsafe { out.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        if settings.version != SETTINGS_VERSION {
            return Err(ARGUMENT_VERSION_MISMATCH);
        }
        settings.environment = play.scene.environment;
        settings.feature = play.scene.cc_feature;
        settings.dev_tools = play.scene.dev_tools;
        settings.multi_gpu = play.scene.multi_gpu;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetConfComputeGpusReadyState(out: *mut c_uint) -> Return {
    of_system("nvmlSystemGetConfComputeGpusReadyState", |play| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, play.scene.ready) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(out: *mut c_uint) -> Return {
    of_system("nvmlDeviceGetCount_v2", |play| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, play.count()) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, out: *mut Handle) -> Return {
    returned(playing().and_then(|play| {
        play.gpu(index).ok_or(INVALID_ARGUMENT)?;
        play.meet("nvmlDeviceGetHandleByIndex_v2", Some(index))?;
        // SAFETY: nvml.h: `out` is one handle.
        unsafe { put(out, handle(index)) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, out: *mut Handle) -> Return {
    returned(playing().and_then(|play| {
        if uuid.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: nvml.h: a C string, here not null, that nobody changes during the call.
        let wanted = unsafe { CStr::from_ptr(uuid) };
        let mut gpus = (0_u32..).zip(&play.scene.gpus);
        let found = gpus.find(|(index, gpu)| named(*index, gpu).as_bytes() == wanted.to_bytes());
        let (index, _) = found.ok_or(NOT_FOUND)?;
        play.meet("nvmlDeviceGetHandleByUUID", Some(index))?;
        // SAFETY: nvml.h: `out` is one handle.
        unsafe { put(out, handle(index)) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetIndex(device: Handle, out: *mut c_uint) -> Return {
    of_gpu("nvmlDeviceGetIndex", device, |_, index, _| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, index) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: Handle, out: *mut c_char, room: c_uint) -> Return {
    of_gpu("nvmlDeviceGetName", device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` has `room` bytes.
        unsafe { put_text(out, room, &gpu.name) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(device: Handle, out: *mut c_char, room: c_uint) -> Return {
    of_gpu("nvmlDeviceGetUUID", device, |_, index, gpu| {
        // SAFETY: nvml.h: `out` has `room` bytes.
        unsafe { put_text(out, room, &named(index, gpu)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSerial(device: Handle, out: *mut c_char, room: c_uint) -> Return {
    of_gpu("nvmlDeviceGetSerial", device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` has `room` bytes.
        unsafe { put_text(out, room, &gpu.serial) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetVbiosVersion(
    device: Handle,
    out: *mut c_char,
    room: c_uint,
) -> Return {
    of_gpu("nvmlDeviceGetVbiosVersion", device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` has `room` bytes.
        unsafe { put_text(out, room, &gpu.vbios) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetArchitecture(device: Handle, out: *mut c_uint) -> Return {
    of_gpu("nvmlDeviceGetArchitecture", device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, gpu.architecture) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: Handle, out: *mut PciInfo) -> Return {
    of_gpu("nvmlDeviceGetPciInfo_v3", device, |_, _, gpu| {
        let mut info = PciInfo {
            bus_id_legacy: [0; 16],
            domain: 0,
            bus: gpu.pci_bus,
            device: 0,
            pci_device_id: 0x2330_10de,
            pci_subsystem_id: 0,
            bus_id: [0; 32],
        };
        let bus = gpu.pci_bus;
        fill(
            &mut info.bus_id_legacy,
            format!("0000:{bus:02X}:00.0").as_bytes(),
        )?;
        fill(
            &mut info.bus_id,
            format!("00000000:{bus:02X}:00.0").as_bytes(),
        )?;
        // SAFETY: nvml.h: `out` is one such structure.
        unsafe { put(out, info) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetConfComputeGpuCertificate(
    device: Handle,
    out: *mut Certificate,
) -> Return {
    let call = "nvmlDeviceGetConfComputeGpuCertificate";
    of_gpu(call, device, |play, index, gpu| {
        // SAFETY: nvml.h: `out` is one such structure, which its callers hand over initialised.
        let answer = unsafe { out.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        let chain = play.chain(index).ok_or(UNKNOWN)?;
        let size = fill(&mut answer.attestation_chain, chain)?;
        answer.attestation_chain_size = gpu.chain_size.unwrap_or(size);
        answer.chain_size = 0;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetConfComputeGpuAttestationReport(
    device: Handle,
    out: *mut Report,
) -> Return {
    let call = "nvmlDeviceGetConfComputeGpuAttestationReport";
    of_gpu(call, device, |play, index, gpu| {
        // SAFETY: nvml.h: `out` is one such structure, in which the caller has set the nonce.
        let answer = unsafe { out.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        let report = play.report(index, &answer.nonce).ok_or(UNKNOWN)?;
        let size = fill(&mut answer.report, &report)?;
        answer.report_size = gpu.report_size.unwrap_or(size);
        answer.is_cec_report_present = 0;
        answer.cec_report_size = gpu.cec_report_size;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(
    device: Handle,
    out: *mut c_ulonglong,
) -> Return {
    of_gpu(
        "nvmlDeviceGetTotalEnergyConsumption",
        device,
        |play, _, gpu| {
            let energy = play.energy_mj(gpu).ok_or(NOT_SUPPORTED)?;
            // SAFETY: nvml.h: `out` is one integer.
            unsafe { put(out, energy) }
        },
    )
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClockInfo(
    device: Handle,
    clock: c_uint,
    out: *mut c_uint,
) -> Return {
    const SM: c_uint = 1;
    const MEMORY: c_uint = 2;
    of_gpu("nvmlDeviceGetClockInfo", device, |_, _, gpu| {
        let mhz = match clock {
            SM => gpu.clocks_mhz.0,
            MEMORY => gpu.clocks_mhz.1,
            _ => return Err(INVALID_ARGUMENT),
        };
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, mhz) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(
    device: Handle,
    out: *mut c_ulonglong,
) -> Return {
    let call = "nvmlDeviceGetCurrentClocksThrottleReasons";
    of_gpu(call, device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, gpu.throttle_reasons) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperature(
    device: Handle,
    _sensor: c_uint,
    out: *mut c_uint,
) -> Return {
    of_gpu("nvmlDeviceGetTemperature", device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, gpu.temperature_c) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, out: *mut Memory) -> Return {
    of_gpu("nvmlDeviceGetMemoryInfo_v2", device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` is one such structure, whose version the caller has set.
        let memory = unsafe { out.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        if memory.version != MEMORY_VERSION {
            return Err(ARGUMENT_VERSION_MISMATCH);
        }
        memory.used = gpu.memory_used;
        memory.reserved = 0;
        memory.free = 0;
        memory.total = gpu.memory_used;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: Handle,
    _kind: c_uint,
    _counter: c_uint,
    out: *mut c_ulonglong,
) -> Return {
    of_gpu("nvmlDeviceGetTotalEccErrors", device, |_, _, gpu| {
        let errors = gpu.ecc_errors.ok_or(NOT_SUPPORTED)?;
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, errors) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Handle,
    count: *mut c_uint,
    out: *mut Process,
) -> Return {
    let call = "nvmlDeviceGetComputeRunningProcesses_v3";
    of_gpu(call, device, |_, _, gpu| {
        let text = gpu.processes.as_ref().map(std::fs::read_to_string);
        let text = text.and_then(Result::ok).unwrap_or_default();
        let pids: Vec<c_uint> = text
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect();
        // SAFETY: nvml.h: `count` is one integer.
        let room = unsafe { count.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        let needed = u32::try_from(pids.len()).map_err(|_| UNKNOWN)?;
        let fits = needed <= *room && (!out.is_null() || needed == 0);
        *room = needed;
        if !fits {
            return Err(INSUFFICIENT_SIZE);
        }
        for (place, pid) in pids.into_iter().enumerate() {
            let process = Process {
                pid,
                memory: gpu.process_memory,
                gpu_instance: c_uint::MAX,
                compute_instance: c_uint::MAX,
            };
            // SAFETY: nvml.h: `out` has room for as many as `count` said, and `place` is below that.
            unsafe { out.add(place).write(process) };
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingMode(device: Handle, out: *mut c_uint) -> Return {
    of_gpu("nvmlDeviceGetAccountingMode", device, |_, _, gpu| {
        // SAFETY: nvml.h: `out` is one integer.
        unsafe { put(out, c_uint::from(gpu.accounting.is_some())) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingStats(
    device: Handle,
    _pid: c_uint,
    out: *mut AccountingStats,
) -> Return {
    of_gpu("nvmlDeviceGetAccountingStats", device, |_, _, gpu| {
        let (time, memory) = gpu.accounting.ok_or(NOT_FOUND)?;
        let stats = AccountingStats {
            gpu_utilization: 0,
            memory_utilization: 0,
            max_memory: memory,
            time,
            start: 0,
            is_running: 0,
            reserved: [0; 5],
        };
        // SAFETY: nvml.h: `out` is one such structure.
        unsafe { put(out, stats) }
    })
}

fn handle(index: u32) -> Handle {
    let address = usize::try_from(index).map_or(0, |index| index.saturating_add(1));
    std::ptr::without_provenance_mut(address)
}

fn named(index: u32, gpu: &Gpu) -> String {
    match gpu.uuid.as_str() {
        "" => format!("GPU-fake-{index}"),
        uuid => uuid.to_owned(),
    }
}
