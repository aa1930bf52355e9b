//! Streams and events: what is queued, and doing it as late as possible.

use super::{
    Function, ILLEGAL_ADDRESS, INVALID_HANDLE, INVALID_VALUE, LAUNCH_MS, NOT_READY, Op, Outcome,
    Place, Stream, World,
};
use crate::kernel::{self, Call};
use crate::scene::HopperModules;

impl World {
    pub(crate) fn create_stream(&mut self, context: u64) -> Outcome<u64> {
        let handle = self.handle();
        self.context(context)?
            .streams
            .insert(handle, Stream::default());
        Ok(handle)
    }

    pub(crate) fn destroy_stream(&mut self, context: u64, stream: u64) -> Outcome<()> {
        self.finish(context)?;
        let removed = self.context(context)?.streams.remove(&stream);
        removed.map(drop).ok_or_else(|| {
            self.misuse("destroyed a stream that is none");
            INVALID_HANDLE
        })
    }

    pub(crate) fn create_event(&mut self, context: u64) -> Outcome<u64> {
        let handle = self.handle();
        self.context(context)?.events.insert(handle, None);
        Ok(handle)
    }

    pub(crate) fn destroy_event(&mut self, context: u64, event: u64) -> Outcome<()> {
        let removed = self.context(context)?.events.remove(&event);
        removed.map(drop).ok_or_else(|| {
            self.misuse("destroyed an event that is none");
            INVALID_HANDLE
        })
    }

    pub(crate) fn record(&mut self, context: u64, event: u64, stream: u64) -> Outcome<()> {
        let index = self.push(context, stream, Op::Mark)?;
        let events = &mut self.context(context)?.events;
        *events.get_mut(&event).ok_or(INVALID_HANDLE)? = Some(Place { stream, index });
        Ok(())
    }

    pub(crate) fn wait_event(&mut self, context: u64, stream: u64, event: u64) -> Outcome<()> {
        let place = *self
            .context(context)?
            .events
            .get(&event)
            .ok_or(INVALID_HANDLE)?;
        match place {
            Some(place) => self.push(context, stream, Op::Wait(place)).map(drop),
            None => Ok(()),
        }
    }

    /// Whether everything before an event is done: it is now.
    pub(crate) fn query(&mut self, context: u64, event: u64) -> Outcome<()> {
        let place = *self
            .context(context)?
            .events
            .get(&event)
            .ok_or(INVALID_HANDLE)?;
        place.map_or(Ok(()), |place| {
            self.run_until(context, place.stream, place.index)
        })
    }

    pub(crate) fn elapsed(&mut self, context: u64, start: u64, end: u64) -> Outcome<f32> {
        let context = self.context(context)?;
        let time = |event: u64| {
            let place = context
                .events
                .get(&event)
                .copied()
                .flatten()
                .ok_or(INVALID_HANDLE)?;
            let stream = context.streams.get(&place.stream).ok_or(INVALID_HANDLE)?;
            stream.marks.get(&place.index).copied().ok_or(NOT_READY)
        };
        Ok(time(end)? - time(start)?)
    }

    pub(crate) fn fill(
        &mut self,
        context: u64,
        stream: u64,
        at: u64,
        value: u8,
        len: usize,
    ) -> Outcome<()> {
        self.check_device(context, at, len)?;
        self.push(context, stream, Op::Fill { at, value, len })
            .map(drop)
    }

    pub(crate) fn upload(
        &mut self,
        context: u64,
        stream: u64,
        at: u64,
        from: usize,
        len: usize,
    ) -> Outcome<()> {
        self.check_device(context, at, len)?;
        self.check_pinned(context, from, len)?;
        self.push(context, stream, Op::Upload { at, from, len })
            .map(drop)
    }

    pub(crate) fn download(
        &mut self,
        context: u64,
        stream: u64,
        to: usize,
        at: u64,
        len: usize,
    ) -> Outcome<()> {
        self.check_device(context, at, len)?;
        self.check_pinned(context, to, len)?;
        self.push(context, stream, Op::Download { to, at, len })
            .map(drop)
    }

    pub(crate) fn launch(
        &mut self,
        context: u64,
        stream: u64,
        function: u64,
        sizes: [[u32; 3]; 2],
        values: Vec<kernel::Value>,
    ) -> Outcome<()> {
        let found = self.context(context)?.functions.get(&function);
        let Function { module, name, .. } = found.ok_or(INVALID_HANDLE)?.clone();
        let [grid, block] = sizes;
        let mut call = Call {
            module: module.module,
            function: name,
            grid,
            block,
            values,
        };
        if module.for_hopper {
            let wrong = self.scene.hopper_modules == HopperModules::PlayedWrong;
            kernel::as_portable(&mut call, wrong);
        }
        self.push(context, stream, Op::Launch(call)).map(drop)
    }

    fn check_device(&mut self, context: u64, at: u64, len: usize) -> Outcome<()> {
        let memory = &self.context(context)?.memory;
        let inside = memory
            .range(..=at)
            .next_back()
            .is_some_and(|(base, bytes)| {
                (at - base).saturating_add(len as u64) <= bytes.len() as u64
            });
        if !inside || len == 0 {
            self.misuse(&format!("{len} bytes at {at:#x} are in no allocation"));
            return Err(INVALID_VALUE);
        }
        Ok(())
    }

    fn check_pinned(&mut self, context: u64, at: usize, len: usize) -> Outcome<()> {
        let pinned = &self.context(context)?.pinned;
        let found = pinned.range(..=at).next_back();
        let inside = found.is_some_and(|(base, room)| at - base + len <= *room);
        if !inside {
            self.misuse(&format!("{len} bytes of a copy are in no pinned memory"));
            return Err(INVALID_VALUE);
        }
        Ok(())
    }

    fn push(&mut self, context: u64, stream: u64, op: Op) -> Outcome<usize> {
        let stream = self
            .context(context)?
            .streams
            .get_mut(&stream)
            .ok_or(INVALID_HANDLE)?;
        stream.queue.push(op);
        Ok(stream.queue.len() - 1)
    }

    /// Does everything that is queued in a context.
    pub(super) fn finish(&mut self, context: u64) -> Outcome<()> {
        let streams = self.context(context)?.streams.iter();
        let ends: Vec<_> = streams
            .map(|(handle, stream)| (*handle, stream.queue.len()))
            .collect();
        for (stream, len) in ends {
            if let Some(last) = len.checked_sub(1) {
                self.run_until(context, stream, last)?;
            }
        }
        Ok(())
    }

    fn run_until(&mut self, context: u64, stream: u64, last: usize) -> Outcome<()> {
        loop {
            let running = self
                .context(context)?
                .streams
                .get_mut(&stream)
                .ok_or(INVALID_HANDLE)?;
            if running.done > last {
                return Ok(());
            }
            let index = running.done;
            running.done += 1;
            let op = std::mem::replace(&mut running.queue[index], Op::Mark);
            match op {
                Op::Mark => {
                    let now = running.elapsed_ms;
                    running.marks.insert(index, now);
                }
                Op::Wait(place) => self.run_until(context, place.stream, place.index)?,
                op => self.act(context, stream, op)?,
            }
        }
    }

    fn act(&mut self, context: u64, stream: u64, op: Op) -> Outcome<()> {
        match op {
            Op::Fill { at, value, len } => self.bytes_at(context, at, len)?.fill(value),
            Op::Upload { at, from, len } => {
                let bytes = (self.host.read)(from, len);
                self.bytes_at(context, at, len)?.copy_from_slice(&bytes);
            }
            Op::Download { to, at, len } => {
                let mut bytes = self.bytes_at(context, at, len)?.to_vec();
                if self.scene.corrupt_download == Some(self.downloads) {
                    bytes[0] ^= 1;
                }
                self.downloads += 1;
                (self.host.write)(to, &bytes);
            }
            Op::Launch(call) => {
                let running = self.context(context)?;
                if let Some(stream) = running.streams.get_mut(&stream) {
                    stream.elapsed_ms += LAUNCH_MS;
                }
                if let Err(why) = kernel::run(&call, &mut running.memory) {
                    running.spoilt = Some(ILLEGAL_ADDRESS);
                    self.misuse(&why);
                    return Err(ILLEGAL_ADDRESS);
                }
            }
            Op::Wait(_) | Op::Mark => {}
        }
        Ok(())
    }

    fn bytes_at(&mut self, context: u64, at: u64, len: usize) -> Outcome<&mut [u8]> {
        let memory = &mut self.context(context)?.memory;
        let (base, bytes) = memory.range_mut(..=at).next_back().ok_or(ILLEGAL_ADDRESS)?;
        let start = usize::try_from(at - base).map_err(|_| ILLEGAL_ADDRESS)?;
        bytes.get_mut(start..start + len).ok_or(ILLEGAL_ADDRESS)
    }
}
