//! Taking records out: into files first, then out of the journals.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context, Result};
use storage::{Archive, Archived, Snapshot};

use super::{
    PAGE,
    file::{self, Contents, Writing},
    plan::{Part, Plan},
};
use crate::progress::Progress;

/// What was taken out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) records: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Does what was planned. Whatever an earlier run has left in the journals below their marks is removed too.
pub(super) async fn take_out(
    mut store: Box<dyn Snapshot>,
    archive: &mut dyn Archive,
    plan: &Plan,
    dir: &Path,
    progress: &Progress,
) -> Result<Taken> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let records: u64 = plan.parts.iter().map(|part| part.last - part.after).sum();
    progress.expect(records * 2);
    progress.now("writing files");
    let mut taken = Taken::default();
    for part in &plan.parts {
        let contents = Contents {
            store: archive.store_id(),
            shard: part.shard,
            first: part.after + 1,
            last: part.last,
            before: plan.before,
        };
        taken.bytes += write(&mut *store, part, contents, dir, progress).await?;
        taken.records += part.last - part.after;
        taken.files += 1;
    }
    let mut beginnings = Vec::new();
    for mark in marks(plan) {
        let first = store.records(mark.shard, 0, 1).await?.pop();
        beginnings.push((
            mark,
            first.map_or(mark.position, |first| first.position - 1),
        ));
    }
    // A snapshot keeps the stores from forgetting.
    drop(store);
    archive.set_archived(&plan.marks()).await?;
    progress.now("removing records");
    for (mark, after) in beginnings {
        forget(archive, mark, after, progress).await?;
    }
    Ok(taken)
}

/// All marks as they will be.
fn marks(plan: &Plan) -> Vec<Archived> {
    let mut marks = plan.marks();
    let is_old = |old: &&Archived| !marks.iter().any(|mark| mark.shard == old.shard);
    let old: Vec<Archived> = plan.archived.iter().filter(is_old).copied().collect();
    marks.extend(old);
    marks
}

/// Writes a file, and reads it once more. Returns its size in bytes.
async fn write(
    store: &mut dyn Snapshot,
    part: &Part,
    contents: Contents,
    dir: &Path,
    progress: &Progress,
) -> Result<u64> {
    let mut writing = Writing::begin(dir, contents.clone())?;
    let mut after = part.after;
    while after < part.last {
        let left = usize::try_from(part.last - after).unwrap_or(PAGE);
        let page = store.records(part.shard, after, PAGE.min(left)).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for record in &page {
            writing.add(record)?;
        }
        progress.done(page.len());
    }
    let (path, bytes) = writing.end()?;
    file::verify(&path, &contents, PAGE)?;
    Ok(bytes)
}

/// Removes the records after this position, up to the mark: a few at a time, and as long as that takes it does nothing
/// afterwards, so that a shop which is running has at least half of the store for itself.
async fn forget(
    archive: &mut dyn Archive,
    mark: Archived,
    mut after: u64,
    progress: &Progress,
) -> Result<()> {
    while after < mark.position {
        let up_to = mark.position.min(after + PAGE as u64);
        let begun = Instant::now();
        archive.forget(mark.shard, after, up_to).await?;
        tokio::time::sleep(begun.elapsed()).await;
        progress.done(usize::try_from(up_to - after).unwrap_or(PAGE));
        after = up_to;
    }
    Ok(())
}
