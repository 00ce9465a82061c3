//! Putting records back.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use storage::{Archive, Archived};

use super::{
    PAGE,
    file::{Contents, Reading, files},
};
use crate::progress::Progress;

/// What was put back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Restored {
    pub(super) records: u64,
    pub(super) files: u64,
    /// Marks that are left, because no file ends there.
    pub(super) left: Vec<Archived>,
}

/// Puts back all that the files in a directory have, from the marks backwards. A file is put back as a whole, and then
/// the mark is moved to before it.
pub(super) async fn restore(
    archive: &mut dyn Archive,
    dir: &Path,
    progress: &Progress,
) -> Result<Restored> {
    let files = files(dir)?;
    let store = archive.store_id();
    if let Some((path, contents)) = files.iter().find(|(_, contents)| contents.store != store) {
        bail!(
            "{} comes from the store {}, and this one is {store}",
            path.display(),
            contents.store
        );
    }
    progress.now("putting records back");
    let mut restored = Restored::default();
    for mark in archive.archived().await? {
        let mut mark = mark;
        while let Some((path, contents)) = ending_at(&files, &mark) {
            progress.expect(contents.last + 1 - contents.first);
            restored.records += put_back(archive, path, progress).await?;
            restored.files += 1;
            mark.position = contents.first - 1;
            archive.set_archived(&[mark]).await?;
        }
        if mark.position > 0 {
            restored.left.push(mark);
        }
    }
    Ok(restored)
}

/// The file whose last record is that of the mark.
fn ending_at<'a>(
    files: &'a [(PathBuf, Contents)],
    mark: &Archived,
) -> Option<&'a (PathBuf, Contents)> {
    files.iter().find(|(_, contents)| {
        mark.position > 0 && contents.shard == mark.shard && contents.last == mark.position
    })
}

async fn put_back(archive: &mut dyn Archive, path: &Path, progress: &Progress) -> Result<u64> {
    let mut reading = Reading::open(path)?;
    let mut records = 0;
    loop {
        let page = reading.read(PAGE)?;
        if page.is_empty() {
            return Ok(records);
        }
        archive.put_back(&page).await?;
        records += page.len() as u64;
        progress.done(page.len());
    }
}
