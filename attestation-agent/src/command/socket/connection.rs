//! One connection: lines in, files with them, answers out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::desk::Desk;
use super::message::Request;
use super::{MAX_LINE_BYTES, PATIENCE};

/// Most files that wait for the line they belong to.
const MAX_FILES: usize = 4;
const PIECE: usize = 4096;

/// Answers until the program is done, hangs up or breaks the rules.
pub(super) fn converse(stream: &UnixStream, desk: &Desk) {
    let mut conversation = Conversation {
        stream,
        text: Vec::new(),
        files: VecDeque::new(),
        begun: None,
    };
    // Whatever ends it, the other side sees that it ended; the run goes on without it.
    let ended = conversation.run(desk);
    tracing::debug!(?ended, "a connection of the program ended");
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

struct Conversation<'s> {
    stream: &'s UnixStream,
    text: Vec<u8>,
    files: VecDeque<File>,
    /// When the line that is coming in began.
    begun: Option<Instant>,
}

impl Conversation<'_> {
    fn run(&mut self, desk: &Desk) -> io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        while let Some(line) = self.line()? {
            let request: Request = match serde_json::from_slice(&line) {
                Ok(request) => request,
                Err(error) => {
                    self.answer(&Desk::refusal("request_malformed", &error.to_string()))?;
                    return Err(error.into());
                }
            };
            let file = match request.has_file() {
                true => self.files.pop_front(),
                false => None,
            };
            let done = matches!(request, Request::Done {});
            self.answer(&desk.serve(request, file.as_ref()))?;
            if done {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, answer: &serde_json::Value) -> io::Result<()> {
        let mut stream = self.stream;
        stream.write_all(format!("{answer}\n").as_bytes())
    }

    /// The next line without its end; `None` where the program hung up between lines.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let rest = self.text.split_off(end.saturating_add(1));
                let mut line = std::mem::replace(&mut self.text, rest);
                line.truncate(end);
                self.begun = None;
                return Ok(Some(line));
            }
            if self.text.len() > MAX_LINE_BYTES {
                return Err(io::Error::other("a line is too long"));
            }
            if !self.receive()? {
                return match self.text.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// Takes in what there is; `false` at the end. A program may be silent between lines for as long as it likes, and
    /// must end a line it has begun.
    fn receive(&mut self) -> io::Result<bool> {
        let left = match (self.text.is_empty(), self.begun) {
            (true, _) => None,
            (false, None) => {
                self.begun = Some(Instant::now());
                Some(PATIENCE)
            }
            (false, Some(begun)) => Some(PATIENCE.saturating_sub(begun.elapsed())),
        };
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(left)?;
        let mut piece = [0; PIECE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            self.stream,
            &mut [IoSliceMut::new(&mut piece)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files.map(File::from));
            }
        }
        if self.files.len() > MAX_FILES {
            return Err(io::Error::other("too many files without a line"));
        }
        self.text
            .extend_from_slice(piece.get(..received.bytes).unwrap_or_default());
        Ok(received.bytes > 0)
    }
}
