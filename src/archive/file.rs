//! The files of an archive: one for each part of a journal.
//!
//! A file is named by its journal and its first and last position, and has within it all that is needed to put it back:
//! see `proto/stampede/archive/v1/archive.proto`. It is written under another name, forced to the device, and then gets
//! its own, so a file with such a name is complete; that its bytes are as they were is for gzip's checksum to say.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use domain::{Domain, ShardRef, Timestamp};
use engine::Stamp;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use prost::Message;
use proto::archive::{Header, Link, Record};
use storage::{StoredRecord, TraceContext};

/// The version of the format.
const FORMAT: u32 = 1;
/// What the name of a file ends with.
const EXTENSION: &str = ".journal.gz";
/// What the name of a file ends with that is being written.
const PART: &str = ".part";
/// Bytes of one message at most; an event has a few hundred.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a trace's id, which its span's id follows.
const TRACE_ID_BYTES: usize = 16;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// The store it comes from.
    pub(super) store: String,
    pub(super) shard: ShardRef,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) before: Timestamp,
}

impl Contents {
    fn name(&self) -> String {
        let Self {
            shard, first, last, ..
        } = self;
        format!(
            "{}-{:04}-{first:012}-{last:012}{EXTENSION}",
            shard.domain.name(),
            shard.shard
        )
    }
}

/// A file that is being written.
pub(super) struct Writing {
    contents: Contents,
    dir: PathBuf,
    part: PathBuf,
    out: GzEncoder<BufWriter<File>>,
    next: u64,
    buffer: Vec<u8>,
}

impl Writing {
    /// Begins a file in this directory.
    pub(super) fn begin(dir: &Path, contents: Contents) -> Result<Self> {
        let part = dir.join(format!("{}{PART}", contents.name()));
        let file =
            File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
        let mut writing = Self {
            next: contents.first,
            dir: dir.to_owned(),
            out: GzEncoder::new(BufWriter::new(file), Compression::default()),
            part,
            buffer: Vec::new(),
            contents,
        };
        let header = Header {
            format: FORMAT,
            store: writing.contents.store.clone(),
            domain: writing.contents.shard.domain.name().to_owned(),
            shard: writing.contents.shard.shard.into(),
            first_position: writing.contents.first,
            last_position: writing.contents.last,
            before_ms: writing.contents.before.as_millis(),
        };
        writing.message(&header)?;
        Ok(writing)
    }

    /// Adds the next record.
    pub(super) fn add(&mut self, record: &StoredRecord) -> Result<()> {
        ensure!(
            record.position == self.next,
            "the journal of {} lacks position {}",
            record.shard,
            self.next
        );
        self.next += 1;
        self.message(&message(record))
    }

    fn message(&mut self, message: &impl Message) -> Result<()> {
        self.buffer.clear();
        message.encode_length_delimited(&mut self.buffer)?;
        let written = self.out.write_all(&self.buffer);
        written.with_context(|| format!("cannot write {}", self.part.display()))
    }

    /// Ends the file and forces it to the device. Returns its path and its size in bytes.
    pub(super) fn end(self) -> Result<(PathBuf, u64)> {
        let Contents { shard, last, .. } = self.contents;
        ensure!(
            self.next == last + 1,
            "the journal of {shard} ends before position {last}"
        );
        let path = self.dir.join(self.contents.name());
        let cannot_write = || format!("cannot write {}", path.display());
        let file = self.out.finish().with_context(cannot_write)?;
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        let file = file.with_context(cannot_write)?;
        file.sync_all().with_context(cannot_write)?;
        let bytes = file.metadata().with_context(cannot_write)?.len();
        fs::rename(&self.part, &path).with_context(cannot_write)?;
        let dir = File::open(&self.dir).with_context(cannot_write)?;
        dir.sync_all().with_context(cannot_write)?;
        Ok((path, bytes))
    }
}

/// A file that is being read.
pub(super) struct Reading {
    pub(super) contents: Contents,
    path: PathBuf,
    from: BufReader<GzDecoder<BufReader<File>>>,
    next: u64,
}

impl Reading {
    /// Opens a file and reads what it says of itself.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut from = BufReader::new(GzDecoder::new(BufReader::new(file)));
        let header: Header = next_message(&mut from)
            .and_then(|header| header.context("it is empty"))
            .with_context(|| format!("{} is no file of an archive", path.display()))?;
        ensure!(
            header.format == FORMAT,
            "{} has format {} and this program knows format {FORMAT}",
            path.display(),
            header.format
        );
        let shard = shard(&header.domain, header.shard)
            .with_context(|| format!("{} is of an unknown journal", path.display()))?;
        Ok(Self {
            next: header.first_position,
            contents: Contents {
                store: header.store,
                shard,
                first: header.first_position,
                last: header.last_position,
                before: Timestamp::from_millis(header.before_ms),
            },
            path: path.to_owned(),
            from,
        })
    }

    /// The next records, at most so many; none at the end, where it is made sure that all of them were there.
    pub(super) fn read(&mut self, limit: usize) -> Result<Vec<StoredRecord>> {
        let mut records = Vec::new();
        while records.len() < limit {
            let next = next_message::<Record>(&mut self.from).and_then(|message| {
                let Some(message) = message else {
                    let last = self.contents.last;
                    ensure!(self.next == last + 1, "it ends before position {last}");
                    return Ok(None);
                };
                let (position, expected) = (message.position, self.next);
                ensure!(
                    position == expected,
                    "position {position} follows, and not {expected}"
                );
                record(self.contents.shard, message).map(Some)
            });
            match next.with_context(|| format!("{} is damaged", self.path.display()))? {
                Some(record) => records.push(record),
                None => break,
            }
            self.next += 1;
        }
        Ok(records)
    }
}

/// Reads a file from its beginning to its end.
pub(super) fn verify(path: &Path, contents: &Contents, page: usize) -> Result<()> {
    let mut reading = Reading::open(path)?;
    ensure!(
        reading.contents == *contents,
        "{} does not hold what was written to it",
        path.display()
    );
    while !reading.read(page)?.is_empty() {}
    Ok(())
}

/// The complete files in a directory.
pub(super) fn files(dir: &Path) -> Result<Vec<(PathBuf, Contents)>> {
    let cannot_read = || format!("cannot read {}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(cannot_read)? {
        let path = entry.with_context(cannot_read)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(EXTENSION) {
            let contents = Reading::open(&path)?.contents;
            files.push((path, contents));
        }
    }
    Ok(files)
}

/// The next message of a file; `None` at its end.
fn next_message<M: Message + Default>(from: &mut impl Read) -> Result<Option<M>> {
    let Some(length) = length(from)? else {
        return Ok(None);
    };
    if length > MESSAGE_BYTES_MAX {
        bail!("it has a message of {length} bytes");
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some(M::decode(bytes.as_slice())?))
}

/// The length before a message; `None` at the end.
fn length(from: &mut impl Read) -> Result<Option<usize>> {
    let mut varint = Vec::new();
    loop {
        let mut byte = [0];
        if from.read(&mut byte)? == 0 {
            ensure!(varint.is_empty(), "it ends within a message");
            return Ok(None);
        }
        varint.push(byte[0]);
        if byte[0] < 0x80 {
            let length = prost::decode_length_delimiter(varint.as_slice())?;
            return Ok(Some(length));
        }
        ensure!(varint.len() < 10, "a message has no length");
    }
}

fn message(record: &StoredRecord) -> Record {
    let link = |stamp: &Stamp<ShardRef>| Link {
        domain: stamp.target.domain.name().to_owned(),
        shard: stamp.target.shard.into(),
        prev: stamp.prev,
    };
    let trace = |trace: TraceContext| [trace.trace_id.as_slice(), &trace.span_id].concat();
    Record {
        position: record.position,
        aggregate_id: record.aggregate_id,
        seq: record.seq,
        time_ms: record.time.as_millis(),
        event_type: record.event_type.clone(),
        payload: record.payload.clone(),
        links: record.stamps.iter().map(link).collect(),
        trace: record.trace.map(trace).unwrap_or_default(),
    }
}

fn record(shard_of: ShardRef, message: Record) -> Result<StoredRecord> {
    let stamp = |link: Link| {
        Ok(Stamp {
            target: shard(&link.domain, link.shard).context("it names an unknown shard")?,
            prev: link.prev,
        })
    };
    let trace = match message.trace.split_first_chunk::<TRACE_ID_BYTES>() {
        Some((trace_id, span_id)) => Some(TraceContext {
            trace_id: *trace_id,
            span_id: span_id
                .try_into()
                .context("it has a trace of a wrong length")?,
        }),
        None => None,
    };
    Ok(StoredRecord {
        shard: shard_of,
        position: message.position,
        aggregate_id: message.aggregate_id,
        seq: message.seq,
        time: Timestamp::from_millis(message.time_ms),
        event_type: message.event_type,
        payload: message.payload,
        stamps: message
            .links
            .into_iter()
            .map(stamp)
            .collect::<Result<_>>()?,
        trace,
    })
}

fn shard(domain: &str, shard: u32) -> Option<ShardRef> {
    Some(ShardRef {
        domain: Domain::from_name(domain)?,
        shard: shard.try_into().ok()?,
    })
}
