//! Bytes with file descriptors (SCM_RIGHTS).

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::net::unix::UCred;

/// Between two bytes. The follower has nothing left to do that takes time.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const VERSION: u8 = b'1';
pub(super) const SERVING: u8 = b'+';
pub(super) const DRAINING: u8 = b'-';
pub(super) const DATA: u8 = b'd';
pub(super) const ADMIN: u8 = b'a';
pub(super) const HANDOVER: u8 = b'h';
pub(super) const END: u8 = b'.';

/// A conversation with a process of the same user.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    /// # Errors
    ///
    /// When it is another user's process.
    pub(super) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let (ours, theirs) = (rustix::process::geteuid().as_raw(), stream.peer_cred()?);
        if theirs.uid() != ours && theirs.uid() != 0 {
            let message = format!("it is of user {}, not of {ours}", theirs.uid());
            return Err(io::Error::new(ErrorKind::PermissionDenied, message));
        }
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    pub(super) fn say(&self, byte: u8) -> io::Result<()> {
        self.send(byte, &[])
    }

    pub(super) fn give(&self, byte: u8, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.send(byte, &[descriptor])
    }

    fn send(&self, byte: u8, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        // Without NOSIGNAL, one that has gone would end this process, too.
        sendmsg(self.0.as_fd(), &[IoSlice::new(&[byte])], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next byte, and what came with it.
    ///
    /// # Errors
    ///
    /// When none comes in time, or none will.
    pub(super) fn hear(&self) -> io::Result<(u8, Option<OwnedFd>)> {
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let heard = recvmsg(self.0.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut control, flags);
        if heard?.bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok((byte[0], descriptor))
    }

    pub(super) fn expect(&self, wanted: u8) -> io::Result<()> {
        match self.hear()?.0 {
            heard if heard == wanted => Ok(()),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "it speaks another version of this")),
        }
    }
}

/// The id of a process, where it is known here.
pub(super) fn pid(of: &UCred) -> i32 {
    of.pid().unwrap_or_default()
}
