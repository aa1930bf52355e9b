//! Devices, contexts, streams, and what is done in them.
//!
//! Work is queued, and done when somebody waits: an event's query does what is before the event in its stream, and what
//! events that stream waits for are before. All of a context is done before memory is released, as in a real driver.

mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use kernels::Module;
use kernels::host::ArgType;

use crate::kernel::{self, Call};
use crate::scene::{Device, Fault, HopperModules, MISUSE_FILE, SCENE_FILE, Scene};

pub(crate) type Outcome<T> = Result<T, u32>;

pub(crate) const INVALID_VALUE: u32 = 1;
pub(crate) const OUT_OF_MEMORY: u32 = 2;
pub(crate) const NOT_INITIALIZED: u32 = 3;
pub(crate) const INVALID_DEVICE: u32 = 101;
pub(crate) const INVALID_CONTEXT: u32 = 201;
pub(crate) const NO_BINARY: u32 = 209;
pub(crate) const INVALID_PTX: u32 = 218;
pub(crate) const UNSUPPORTED_PTX: u32 = 222;
pub(crate) const INVALID_HANDLE: u32 = 400;
pub(crate) const NOT_FOUND: u32 = 500;
pub(crate) const NOT_READY: u32 = 600;
pub(crate) const ILLEGAL_ADDRESS: u32 = 700;
pub(crate) const UNKNOWN: u32 = 999;

/// Addresses of device memory begin here: nothing of this process is there, and allocations are far apart.
const FIRST_ADDRESS: u64 = 0x7_0000_0000_0000;
const ALIGN: u64 = 512;

/// Time that each launch takes by the events, milliseconds.
const LAUNCH_MS: f32 = 0.01;

/// Memory of the caller, by address.
#[derive(Clone, Copy)]
pub(crate) struct HostMemory {
    pub(crate) read: fn(usize, usize) -> Vec<u8>,
    pub(crate) write: fn(usize, &[u8]),
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) scene: Scene,
    folder: PathBuf,
    met: Vec<u32>,
    next: u64,
    downloads: u32,
    contexts: BTreeMap<u64, Context>,
    host: HostMemory,
}

struct Context {
    device: usize,
    /// What every later call answers.
    spoilt: Option<u32>,
    /// The last query had no answer: nobody can be asked to release what may still be in use.
    unanswered: bool,
    memory: BTreeMap<u64, Vec<u8>>,
    shared: BTreeSet<u64>,
    pinned: BTreeMap<usize, usize>,
    streams: BTreeMap<u64, Stream>,
    events: BTreeMap<u64, Option<Place>>,
    modules: BTreeMap<u64, Loaded>,
    functions: BTreeMap<u64, Function>,
}

#[derive(Default)]
struct Stream {
    queue: Vec<Op>,
    done: usize,
    elapsed_ms: f32,
    /// Time at each mark of an event, by its place.
    marks: BTreeMap<usize, f32>,
}

#[derive(Clone, Copy)]
struct Place {
    stream: u64,
    index: usize,
}

/// A module, and whether it plays one for Hopper alone.
#[derive(Clone, Copy)]
struct Loaded {
    module: Module,
    for_hopper: bool,
}

#[derive(Clone)]
struct Function {
    module: Loaded,
    name: &'static str,
    signature: Vec<ArgType>,
}

enum Op {
    Fill { at: u64, value: u8, len: usize },
    Upload { at: u64, from: usize, len: usize },
    Download { to: usize, at: u64, len: usize },
    Launch(Call),
    Wait(Place),
    Mark,
}

impl World {
    pub(crate) fn load(folder: &Path, host: HostMemory) -> Result<Self, String> {
        let path = folder.join(SCENE_FILE);
        let text = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let scene: Scene =
            serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self {
            met: vec![0; scene.faults.len()],
            scene,
            folder: folder.to_owned(),
            next: 1,
            downloads: 0,
            contexts: BTreeMap::new(),
            host,
        })
    }

    /// Says what the caller did wrong.
    pub(crate) fn misuse(&self, what: &str) {
        eprintln!("fake-cuda: misuse: {what}");
        let path = self.folder.join(MISUSE_FILE);
        let log = fs::OpenOptions::new().create(true).append(true).open(path);
        if let Ok(mut log) = log {
            let _ = std::io::Write::write_all(&mut log, format!("{what}\n").as_bytes());
        }
    }

    /// Takes the time the scene says, and fails if it says so.
    pub(crate) fn meet(&mut self, call: &str) -> Outcome<()> {
        for (fault, met) in self.scene.faults.iter().zip(&mut self.met) {
            if fault.call != call {
                continue;
            }
            let before = *met;
            *met = met.saturating_add(1);
            if !concerns(fault, before) {
                continue;
            }
            thread::sleep(Duration::from_millis(fault.delay_ms));
            if fault.code != 0 {
                return Err(fault.code);
            }
        }
        Ok(())
    }

    pub(crate) fn device(&self, ordinal: i32) -> Outcome<&Device> {
        let found = usize::try_from(ordinal).ok();
        let found = found.and_then(|index| self.scene.devices.get(index));
        found.ok_or(INVALID_DEVICE)
    }

    fn handle(&mut self) -> u64 {
        self.next += 1;
        self.next * 0x1000
    }

    // ---- Contexts

    pub(crate) fn create_context(&mut self, ordinal: i32) -> Outcome<u64> {
        self.device(ordinal)?;
        let handle = self.handle();
        let context = Context {
            device: usize::try_from(ordinal).unwrap_or(0),
            spoilt: None,
            unanswered: false,
            memory: BTreeMap::new(),
            shared: BTreeSet::new(),
            pinned: BTreeMap::new(),
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
            modules: BTreeMap::new(),
            functions: BTreeMap::new(),
        };
        self.contexts.insert(handle, context);
        Ok(handle)
    }

    /// Ends a context and returns the pinned memory that is left in it. What is left is the caller's fault, unless the
    /// driver would not have released it.
    pub(crate) fn destroy_context(&mut self, handle: u64) -> Outcome<Vec<(usize, usize)>> {
        let Some(context) = self.contexts.remove(&handle) else {
            self.misuse("a context was destroyed that is none");
            return Err(INVALID_CONTEXT);
        };
        let left = context.left();
        if context.spoilt.is_none() && !context.unanswered && !left.is_empty() {
            self.misuse(&format!("left in a context that was destroyed: {left}"));
        }
        Ok(context.pinned.into_iter().collect())
    }

    pub(crate) fn has_context(&self, handle: u64) -> bool {
        self.contexts.contains_key(&handle)
    }

    /// What is left at the end of the process.
    pub(crate) fn end(&self) {
        if !self.contexts.is_empty() {
            self.misuse(&format!(
                "{} contexts were never destroyed",
                self.contexts.len()
            ));
        }
    }

    fn context(&mut self, handle: u64) -> Outcome<&mut Context> {
        let context = self.contexts.get_mut(&handle).ok_or(INVALID_CONTEXT)?;
        match context.spoilt {
            Some(code) => Err(code),
            None => Ok(context),
        }
    }

    /// A call in a context. A code that a real driver would repeat for ever is kept.
    pub(crate) fn call<T>(
        &mut self,
        handle: u64,
        call: &str,
        act: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        self.context(handle)?;
        let outcome = self.meet(call).and_then(|()| act(self));
        if let (true, Some(context)) = (call == "cuEventQuery", self.contexts.get_mut(&handle)) {
            context.unanswered = outcome.as_ref().is_err_and(|code| *code == NOT_READY);
        }
        if let (Err(code), Some(context)) = (&outcome, self.contexts.get_mut(&handle))
            && matches!(*code, 214 | 220 | 700 | 702 | 709 | 710 | 714..=720 | 999)
        {
            context.spoilt = Some(*code);
        }
        outcome
    }

    // ---- Memory

    pub(crate) fn memory_info(&mut self, context: u64) -> Outcome<(usize, usize)> {
        let index = self.context(context)?.device;
        let device = self.scene.devices.get(index).ok_or(INVALID_DEVICE)?;
        let (total, taken) = (device.memory_bytes, device.taken_bytes);
        let of_device = self
            .contexts
            .values()
            .filter(|context| context.device == index);
        let used: u64 = of_device.map(Context::used).sum();
        let free = total.saturating_sub(taken).saturating_sub(used);
        Ok((
            usize::try_from(free).unwrap_or(0),
            usize::try_from(total).unwrap_or(0),
        ))
    }

    pub(crate) fn allocate(&mut self, context: u64, len: usize) -> Outcome<u64> {
        if len == 0 {
            self.misuse("device memory of no bytes");
            return Err(INVALID_VALUE);
        }
        let (free, _) = self.memory_info(context)?;
        if len > free {
            return Err(OUT_OF_MEMORY);
        }
        // What was there before is not zero: who needs zeros must write them.
        self.place(context, vec![0xa5; len])
    }

    fn place(&mut self, context: u64, bytes: Vec<u8>) -> Outcome<u64> {
        let number = self.handle();
        let address = FIRST_ADDRESS + number * 0x10_0000 * ALIGN / 0x1000;
        self.context(context)?.memory.insert(address, bytes);
        Ok(address)
    }

    pub(crate) fn free(&mut self, context: u64, address: u64) -> Outcome<()> {
        self.finish(context)?;
        let removed = self.context(context)?.memory.remove(&address);
        match removed {
            Some(_) => Ok(()),
            None => {
                self.misuse(&format!("released {address:#x}, which is no allocation"));
                Err(INVALID_VALUE)
            }
        }
    }

    pub(crate) fn range(&mut self, context: u64, address: u64) -> Outcome<(u64, usize)> {
        let memory = &self.context(context)?.memory;
        let (base, bytes) = memory.range(..=address).next_back().ok_or(INVALID_VALUE)?;
        let inside = address - base < bytes.len() as u64;
        inside.then_some((*base, bytes.len())).ok_or(INVALID_VALUE)
    }

    pub(crate) fn pin(&mut self, context: u64, address: usize, len: usize) -> Outcome<()> {
        self.context(context)?.pinned.insert(address, len);
        Ok(())
    }

    /// The length of pinned memory that is given back.
    pub(crate) fn unpin(&mut self, context: u64, address: usize) -> Outcome<usize> {
        self.finish(context)?;
        let removed = self.context(context)?.pinned.remove(&address);
        removed.ok_or_else(|| {
            self.misuse("released pinned memory that is none");
            INVALID_VALUE
        })
    }

    pub(crate) fn open_shared(&mut self, context: u64, handle: &[u8; 64]) -> Outcome<u64> {
        let wanted = hex::encode(handle);
        let shared = self
            .scene
            .shared
            .iter()
            .find(|shared| shared.handle == wanted);
        let bytes = shared.and_then(|shared| fs::read(&shared.file).ok());
        let address = self.place(context, bytes.ok_or(INVALID_HANDLE)?)?;
        self.context(context)?.shared.insert(address);
        Ok(address)
    }

    pub(crate) fn close_shared(&mut self, context: u64, address: u64) -> Outcome<()> {
        if !self.context(context)?.shared.remove(&address) {
            self.misuse("closed a shared buffer that is none");
            return Err(INVALID_VALUE);
        }
        self.free(context, address)
    }

    // ---- Modules

    pub(crate) fn load_module(&mut self, context: u64, ptx: &str) -> Outcome<u64> {
        let index = self.context(context)?.device;
        let capability = self
            .scene
            .devices
            .get(index)
            .ok_or(INVALID_DEVICE)?
            .capability;
        if version_of(ptx).ok_or(INVALID_PTX)? > self.scene.ptx_version {
            return Err(UNSUPPORTED_PTX);
        }
        let Some(module) = kernel::module_of(ptx) else {
            self.misuse("a module was loaded whose text is none of the catalogue's");
            return Err(INVALID_PTX);
        };
        if capability < (8, 0) {
            return Err(NO_BINARY);
        }
        let loaded = match kernel::is_portable(module) {
            true => Loaded {
                module,
                for_hopper: false,
            },
            false => self.hopper_module(module, capability)?,
        };
        let handle = self.handle();
        self.context(context)?.modules.insert(handle, loaded);
        Ok(handle)
    }

    fn hopper_module(&self, module: Module, capability: (i32, i32)) -> Outcome<Loaded> {
        let refused = self.scene.hopper_modules == HopperModules::Refused;
        match kernel::twin_of(module) {
            Some(module) if capability == (9, 0) && !refused => Ok(Loaded {
                module,
                for_hopper: true,
            }),
            _ => Err(NO_BINARY),
        }
    }

    pub(crate) fn unload_module(&mut self, context: u64, handle: u64) -> Outcome<()> {
        let removed = self.context(context)?.modules.remove(&handle);
        removed.map(drop).ok_or_else(|| {
            self.misuse("unloaded a module that is none");
            INVALID_HANDLE
        })
    }

    pub(crate) fn function(&mut self, context: u64, module: u64, name: &str) -> Outcome<u64> {
        let module = *self
            .context(context)?
            .modules
            .get(&module)
            .ok_or(INVALID_HANDLE)?;
        let (name, signature) = kernel::function_of(module.module, name).ok_or(NOT_FOUND)?;
        let handle = self.handle();
        let function = Function {
            module,
            name,
            signature,
        };
        self.context(context)?.functions.insert(handle, function);
        Ok(handle)
    }

    /// What a function takes.
    pub(crate) fn signature(&mut self, context: u64, function: u64) -> Outcome<Vec<ArgType>> {
        let function = self.context(context)?.functions.get(&function);
        Ok(function.ok_or(INVALID_HANDLE)?.signature.clone())
    }
}

impl Context {
    fn used(&self) -> u64 {
        let own = self
            .memory
            .iter()
            .filter(|(base, _)| !self.shared.contains(base));
        own.map(|(_, bytes)| (bytes.len() as u64).next_multiple_of(ALIGN))
            .sum()
    }

    fn left(&self) -> String {
        let left = [
            ("allocations", self.memory.len()),
            ("pinned allocations", self.pinned.len()),
            ("streams", self.streams.len()),
            ("events", self.events.len()),
            ("modules", self.modules.len()),
        ];
        let left = left.into_iter().filter(|(_, count)| *count > 0);
        let left: Vec<_> = left
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        left.join(", ")
    }
}

fn concerns(fault: &Fault, before: u32) -> bool {
    let spent = |times: u32| before >= fault.after.saturating_add(times);
    before >= fault.after && !fault.times.is_some_and(spent)
}

/// The ISA that a text is written in.
fn version_of(ptx: &str) -> Option<(u32, u32)> {
    let line = ptx
        .lines()
        .find_map(|line| line.trim().strip_prefix(".version"))?;
    let (major, minor) = line.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
