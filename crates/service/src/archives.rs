//! The archives of source code that users upload, as files of a directory beside the store:
//!
//! ```text
//! file        {id}        a whole archive
//!             {id}.part   one that is still arriving
//! id          user (16) │ random bytes (16), in hexadecimal digits
//! ```
//!
//! Who may upload and download an archive is in its addresses: each has a time until which it is valid, and a proof that annals
//! made it. So nothing about an archive is stored until a deployment names it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use annals_model::{Rejection, Time, UserId};
use tokio::fs::{self, DirBuilder, File, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Service};

/// How long an archive may be uploaded after its address was made.
const UPLOAD_VALID: Duration = Duration::from_secs(60 * 60);
/// How long it may be downloaded. A deployment that waits longer for its builder needs a new one.
const DOWNLOAD_VALID: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long an archive is kept that no deployment names, or whose deployment has ended.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The most archives of one user, and the most that arrive at the same time.
const ARCHIVES_OF_USER_MAX: usize = 20;
const UPLOADS_MAX: usize = 16;
/// The ending of the name of a file that is still arriving.
const PART: &str = "part";

/// Where archives are kept.
#[derive(Debug, Clone)]
pub struct ArchiveSettings {
    /// The directory. It is created with the first archive.
    pub directory: PathBuf,
    /// The longest archive, in bytes.
    pub bytes_max: u64,
}

/// The archives, if the operator has a directory for them.
pub(crate) struct Archives {
    settings: ArchiveSettings,
    uploads: Arc<Semaphore>,
}

/// What an address of an archive is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    /// To upload it, once.
    Upload,
    /// To download it.
    Download,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// The permission in an address of an archive.
#[derive(Debug, Clone)]
pub struct Permission {
    /// Until when the address is valid, in milliseconds since the epoch.
    pub expires: u64,
    /// The proof that annals made the address.
    pub proof: String,
}

/// The identifier of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveId(String);

impl ArchiveId {
    fn new(user: UserId) -> Self {
        Self(hex::encode(user.as_bytes()) + &hex::encode(rand::random::<[u8; 16]>()))
    }

    /// Reads an identifier; `None` if the text is none.
    pub fn read(text: &str) -> Option<Self> {
        annals_model::app::is_archive_id(text).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The addresses of an archive that is to be uploaded.
pub struct NewArchive {
    /// Its identifier.
    pub id: ArchiveId,
    /// The permission to upload it.
    pub upload: Permission,
    /// The permission to download it.
    pub download: Permission,
}

/// An archive that is arriving. What has arrived is removed unless [`Upload::finish`] succeeds.
pub struct Upload {
    file: File,
    part: PathBuf,
    whole: PathBuf,
    is_finished: bool,
    _permit: OwnedSemaphorePermit,
}

impl Archives {
    pub(crate) fn new(settings: ArchiveSettings) -> Self {
        Self { settings, uploads: Arc::new(Semaphore::new(UPLOADS_MAX)) }
    }

    fn path(&self, id: &ArchiveId) -> PathBuf {
        self.settings.directory.join(&id.0)
    }

    /// Returns the names of the files, and when each was last written.
    async fn files(&self) -> io::Result<Vec<(String, Time)>> {
        let mut files = Vec::new();
        let mut directory = match fs::read_dir(&self.settings.directory).await {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            Err(error) => return Err(error),
        };
        while let Some(found) = directory.next_entry().await? {
            if let Ok(name) = found.file_name().into_string() {
                let written = found.metadata().await?.modified()?.duration_since(SystemTime::UNIX_EPOCH);
                let millis = u64::try_from(written.unwrap_or_default().as_millis()).unwrap_or_default();
                files.push((name, Time::from_millis(millis)));
            }
        }
        Ok(files)
    }
}

impl Service {
    /// Returns the longest archive that may be uploaded, in bytes.
    ///
    /// # Errors
    ///
    /// Fails if there is no directory for archives.
    pub fn archive_bytes_max(&self) -> Result<u64, Error> {
        Ok(self.archives()?.settings.bytes_max)
    }

    /// Returns the addresses of a new archive of this user.
    ///
    /// # Errors
    ///
    /// Fails if there is no directory for archives, if it cannot be read, or if the user has too many.
    pub async fn new_archive(&self, user: UserId) -> Result<NewArchive, Error> {
        let of_user = hex::encode(user.as_bytes());
        let files = self.archives()?.files().await.map_err(Error::Archive)?;
        if files.iter().filter(|(name, _)| name.starts_with(&of_user)).count() >= ARCHIVES_OF_USER_MAX {
            let message = format!(
                "limit reached ({ARCHIVES_OF_USER_MAX}); an archive is removed a day after its deployment ended"
            );
            return Err(Rejection::invalid("source", message).into());
        }
        let id = ArchiveId::new(user);
        let permission = |purpose, valid: Duration| {
            let expires = self.now().as_millis() + u64::try_from(valid.as_millis()).unwrap_or(u64::MAX);
            Permission { expires, proof: self.archive_proof(&id, purpose, expires) }
        };
        let (upload, download) =
            (permission(Purpose::Upload, UPLOAD_VALID), permission(Purpose::Download, DOWNLOAD_VALID));
        Ok(NewArchive { id, upload, download })
    }

    /// Begins to write an archive.
    ///
    /// # Errors
    ///
    /// Fails with "not found" if the permission is not valid, with a conflict if the archive is there already, and with
    /// [`Error::Busy`] if too many archives are arriving.
    pub async fn begin_upload(&self, id: &ArchiveId, permission: &Permission) -> Result<Upload, Error> {
        self.require_permission(id, Purpose::Upload, permission)?;
        let archives = self.archives()?;
        let permit = Arc::clone(&archives.uploads).try_acquire_owned().map_err(|_| Error::Busy)?;
        let whole = archives.path(id);
        let part = whole.with_extension(PART);
        // Code is nobody else's business on this machine.
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(&archives.settings.directory).await.map_err(Error::Archive)?;
        if fs::try_exists(&whole).await.map_err(Error::Archive)? {
            return Err(Rejection::Conflict("the archive was uploaded before".to_owned()).into());
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).await;
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::from(Rejection::Conflict("the archive is being uploaded".to_owned()))
            }
            _ => Error::Archive(error),
        })?;
        Ok(Upload { file, part, whole, is_finished: false, _permit: permit })
    }

    /// Opens an archive, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// Fails with "not found" if the permission is not valid or there is no such archive.
    pub async fn open_archive(&self, id: &ArchiveId, permission: &Permission) -> Result<(File, u64), Error> {
        self.require_permission(id, Purpose::Download, permission)?;
        let file = File::open(self.archives()?.path(id)).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::from(Rejection::NotFound("source")),
            _ => Error::Archive(error),
        })?;
        let length = file.metadata().await.map_err(Error::Archive)?.len();
        Ok((file, length))
    }

    /// Removes the archives that nobody needs any more, and returns how many.
    ///
    /// # Errors
    ///
    /// Fails if the directory or the store cannot be read, or a file cannot be removed.
    pub async fn remove_old_archives(&self) -> Result<usize, Error> {
        let Some(archives) = &self.inner().archives else { return Ok(0) };
        let mut removed = 0;
        for (name, written) in archives.files().await.map_err(Error::Archive)? {
            let (id, is_part) = match name.split_once('.') {
                Some((id, PART)) => (id, true),
                Some(_) => continue,
                None => (&*name, false),
            };
            let Some(id) = ArchiveId::read(id) else { continue };
            let is_old = is_over(written, self.now());
            if is_old && (is_part || !self.is_needed(&id).await?) {
                remove(&archives.settings.directory.join(&name)).await.map_err(Error::Archive)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Returns whether a deployment names the archive that is under way or ended less than a day ago.
    async fn is_needed(&self, id: &ArchiveId) -> Result<bool, Error> {
        let Some(app) = self.app_with_archive(&id.0).await? else { return Ok(false) };
        let private = self.private_state(app).await?;
        let mut deployments = private.deployments.iter();
        Ok(deployments.any(|deployment| {
            let is_over = |finished_at: Time| is_over(finished_at, self.now());
            deployment.archive() == Some(&*id.0) && !deployment.finished_at.is_some_and(is_over)
        }))
    }

    fn archives(&self) -> Result<&Archives, Error> {
        self.inner().archives.as_ref().ok_or(Error::NoArchives)
    }

    fn require_permission(
        &self,
        id: &ArchiveId,
        purpose: Purpose,
        permission: &Permission,
    ) -> Result<(), Error> {
        use subtle::ConstantTimeEq as _;
        let proof = self.archive_proof(id, purpose, permission.expires);
        let is_made_here: bool = proof.as_bytes().ct_eq(permission.proof.as_bytes()).into();
        if is_made_here && self.now().as_millis() < permission.expires {
            return Ok(());
        }
        Err(Rejection::NotFound("source").into())
    }

    fn archive_proof(&self, id: &ArchiveId, purpose: Purpose, expires: u64) -> String {
        self.inner().credentials.proof(&format!("archive {} {id} {expires}", purpose.name()))
    }
}

impl Upload {
    /// Writes what has arrived.
    ///
    /// # Errors
    ///
    /// Fails if the disk does.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).await.map_err(Error::Archive)
    }

    /// Makes the archive durable, and lets it be downloaded.
    ///
    /// # Errors
    ///
    /// Fails if the disk does.
    pub async fn finish(mut self) -> Result<(), Error> {
        let done = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            fs::rename(&self.part, &self.whole).await?;
            match self.whole.parent() {
                Some(directory) => File::open(directory).await?.sync_all().await,
                None => Ok(()),
            }
        };
        done.await.map_err(Error::Archive)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_finished {
            // What is left over for another reason is removed a day later.
            _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Returns whether nothing has happened to an archive for as long as it is kept.
fn is_over(since: Time, now: Time) -> bool {
    since.plus_millis(u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX)) <= now
}

async fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path).await {
        // Another process of the platform was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
