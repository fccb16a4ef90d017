//! The program under measurement.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use annals_testing::{TestDatabase, TestStore};
use anyhow::Context;
use http::Method;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;

pub(crate) const OPERATOR_TOKEN: &str = "tk-op-bench-0123456789";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The time from the start of the process to its first response.
    pub(crate) startup: Duration,
    process: Child,
    test_store: TestStore,
}

impl Server {
    /// Starts the program on an empty store: a directory, or a new schema in that database.
    pub(crate) async fn start(binary: &Path, database: Option<&str>) -> anyhow::Result<Self> {
        let test_store = match database {
            Some(address) => TestStore::Database(TestDatabase::create_on(address).await),
            None => TestStore::embedded(),
        };
        Self::start_in(binary, test_store).await
    }

    async fn start_in(binary: &Path, test_store: TestStore) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut process = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--connections-max", "4096", "--store"])
            .arg(test_store.location())
            .env("ANNALS_OPERATOR_TOKEN", OPERATOR_TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("{} cannot be started; build it with cargo build --release", binary.display())
            })?;
        let address = listening_address(&mut process).await?;
        Client::connect(address).await?.send(Method::GET, "/readyz", "", "".into()).await?;
        Ok(Self { address, startup: started.elapsed(), process, test_store })
    }

    /// Stops the program gracefully and starts it again on the same store.
    pub(crate) async fn restart(mut self, binary: &Path) -> anyhow::Result<Self> {
        let id = self.process.id().context("the server is not running")?;
        Command::new("kill").arg(id.to_string()).status().await?;
        self.process.wait().await?;
        Self::start_in(binary, self.test_store).await
    }

    /// Waits until the server is idle, which means that it has merged what was written.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        let id = self.process.id().context("the server is not running")?;
        let ticks = || -> anyhow::Result<u64> {
            let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
            let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has no process name")?;
            let fields: Vec<_> = fields.split_whitespace().collect();
            Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
        };
        let mut quiet_seconds = 0;
        for _ in 0..120 {
            let before = ticks()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            // At most a hundredth of a second of work in a second counts as idle.
            quiet_seconds = if ticks()? <= before + 1 { quiet_seconds + 1 } else { 0 };
            if quiet_seconds == 3 {
                break;
            }
        }
        Ok(())
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        Client::connect(self.address).await
    }

    pub(crate) fn peak_memory_mib(&self) -> anyhow::Result<f64> {
        let id = self.process.id().context("the server is not running")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .context("/proc/PID/status has no VmHWM")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
    }

    /// Returns the bytes of tables and of journals, as the file system counts them.
    pub(crate) async fn disk_bytes(&self) -> anyhow::Result<(f64, f64)> {
        let directory = match &self.test_store {
            TestStore::Directory(directory) => directory,
            // A database has one journal for all its schemas, so it is not counted.
            TestStore::Database(_) => return Ok((self.metric("annals_store_bytes").await?, 0.0)),
        };
        let (mut tables, mut journals) = (0.0, 0.0);
        let mut folders = vec![directory.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                // Files may be created and removed while they are counted.
                let Ok(metadata) = fs::metadata(&path) else { continue };
                let bytes = (metadata.blocks() * 512) as f64;
                if metadata.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "jnl") {
                    journals += bytes;
                } else {
                    tables += bytes;
                }
            }
        }
        Ok((tables, journals))
    }

    /// Returns a value of `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = self.connect().await?.fetch(Method::GET, "/metrics", "", "".into()).await?;
        let text = std::str::from_utf8(&text)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("the server measures {name}"))?.parse()?)
    }

    pub(crate) async fn recorded_events(&self) -> anyhow::Result<f64> {
        self.metric("annals_commit_events_sum").await
    }
}

/// Returns the address in the first line that the program or the bare handler prints.
pub(crate) async fn listening_address(process: &mut Child) -> anyhow::Result<SocketAddr> {
    let out = process.stdout.take().context("the output is not piped")?;
    let mut lines = BufReader::new(out).lines();
    let line = lines.next_line().await?.context("the server ended at once")?;
    let (_, rest) = line.split_once("http://").context("the first line names no address")?;
    let address = rest.split([',', ' ']).next().unwrap_or(rest).parse()?;
    // Further output must be read too, or the process would block.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(address)
}
