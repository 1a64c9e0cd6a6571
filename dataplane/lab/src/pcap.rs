//! How do frames become a file that other tools read?
//!
//! The classic capture format with nanosecond timestamps: magic number, version 2.4, `LINKTYPE_ETHERNET`; then, for each
//! frame, time, length and bytes. Timestamps are virtual, counted from the start of the lab.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use vpclab_engine::{Port, Timestamp};

/// The magic number of captures with nanosecond timestamps.
const MAGIC: u32 = 0xa1b2_3c4d;
/// Longer frames are cut; a superframe of the largest packet fits.
const SNAP_LEN: u32 = 262_144;
const LINKTYPE_ETHERNET: u32 = 1;

/// A capture that is being written.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The port whose frames are written; none for all.
    port: Option<Port>,
    file: BufWriter<File>,
    /// What went wrong first. Nothing is written after it.
    failed: Option<io::Error>,
}

impl Capture {
    pub(crate) fn create(path: &Path, port: Option<Port>) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&MAGIC.to_le_bytes())?;
        file.write_all(&2u16.to_le_bytes())?;
        file.write_all(&4u16.to_le_bytes())?;
        file.write_all(&[0; 8])?;
        file.write_all(&SNAP_LEN.to_le_bytes())?;
        file.write_all(&LINKTYPE_ETHERNET.to_le_bytes())?;
        Ok(Self { port, file, failed: None })
    }

    /// Writes a frame, Ethernet header first, that passed `port`.
    pub(crate) fn record(&mut self, now: Timestamp, port: Port, ethernet: &[u8]) {
        if self.failed.is_none()
            && self.port.is_none_or(|wanted| wanted == port)
            && let Err(error) = self.write(now, ethernet)
        {
            self.failed = Some(error);
        }
    }

    /// Writes out what is buffered.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.file.flush(),
        }
    }

    fn write(&mut self, now: Timestamp, ethernet: &[u8]) -> io::Result<()> {
        let too_large = |_| io::Error::other("a frame longer than the format can tell");
        let nanos = now.as_nanos();
        let secs = u32::try_from(nanos / 1_000_000_000).map_err(too_large)?;
        let subsec = u32::try_from(nanos % 1_000_000_000).map_err(too_large)?;
        let len = u32::try_from(ethernet.len()).map_err(too_large)?;
        for field in [secs, subsec, len.min(SNAP_LEN), len] {
            self.file.write_all(&field.to_le_bytes())?;
        }
        let kept = ethernet.len().min(usize::try_from(SNAP_LEN).unwrap_or(usize::MAX));
        self.file.write_all(&ethernet[..kept])
    }
}
