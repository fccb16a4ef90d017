//! Creating the tables, and migrating them to the current format.

use deadpool_postgres::{Client, Transaction};

use crate::error::Error;
use crate::postgres::failure::store_error;

use super::LOCK_CLASS;

/// The migrations in order. A database's format is the number of steps applied to it. A released step never changes,
/// apart from comments.
const STEPS: [Step; 1] = [Step {
    tables: include_str!("schema.sql"),
    distribution: include_str!("citus.sql"),
    views: include_str!("views.sql"),
}];

struct Step {
    tables: &'static str,
    /// Distributes the tables, if the Citus extension is installed.
    distribution: &'static str,
    /// Runs last, so that Citus knows the tables that the views read.
    views: &'static str,
}

/// The advisory lock held while migrating.
const MIGRATION_LOCK: i32 = 1;
const IS_DISTRIBUTED: &str = "SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'timelines'::regclass";

/// Returns whether the tables exist, in any format.
pub(crate) async fn is_there(client: &Client) -> Result<bool, Error> {
    let text = "SELECT to_regclass(quote_ident(current_schema()) || '.annals_format') IS NOT NULL";
    Ok(client.query_one(text, &[]).await.map_err(store_error)?.get(0))
}

/// Creates the tables or migrates them to the current format, one process at a time. Returns whether they are
/// distributed.
pub(crate) async fn migrate(client: &mut Client) -> Result<bool, Error> {
    let text = "SELECT current_setting('server_encoding'), current_schema()";
    let row = client.query_one(text, &[]).await.map_err(store_error)?;
    let (encoding, schema): (String, Option<String>) = (row.get(0), row.get(1));
    if encoding != "UTF8" {
        let message = format!("the database's encoding is {encoding}: create a database with encoding UTF8");
        return Err(Error::Engine(message.into()));
    }
    if schema.is_none() {
        let message = "no schema in the search_path exists: create one, or choose another search_path";
        return Err(Error::Engine(message.into()));
    }
    let known = STEPS.len();
    let migration = client.transaction().await.map_err(store_error)?;
    // Creating distributed tables takes longer than the timeouts of requests allow.
    migration
        .batch_execute("SET LOCAL statement_timeout = '120s'; SET LOCAL lock_timeout = '120s'")
        .await
        .map_err(store_error)?;
    migration
        .execute("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCK_CLASS, &MIGRATION_LOCK])
        .await
        .map_err(store_error)?;
    migration
        .batch_execute("CREATE TABLE IF NOT EXISTS annals_format (format int NOT NULL)")
        .await
        .map_err(store_error)?;
    let row = migration.query_opt("SELECT format FROM annals_format", &[]).await.map_err(store_error)?;
    let found = row.map_or(0, |row| row.get::<_, i32>(0));
    let found = usize::try_from(found).map_err(|_| Error::Damaged("the format cannot be read".to_owned()))?;
    if found > known {
        let number = |steps: usize| u32::try_from(steps).unwrap_or(u32::MAX);
        return Err(Error::Newer { found: number(found), known: number(known) });
    }
    let is_citus = is_some(&migration, "SELECT 1 FROM pg_extension WHERE extname = 'citus'").await?;
    // Tables that were created before the extension stay where they are.
    let is_distributed = is_citus && (found == 0 || is_some(&migration, IS_DISTRIBUTED).await?);
    if found == known {
        return Ok(is_distributed);
    }
    for step in &STEPS[found..] {
        let distribution = if is_distributed { step.distribution } else { "" };
        for text in [step.tables, distribution, step.views] {
            migration.batch_execute(text).await.map_err(store_error)?;
        }
    }
    let format = i32::try_from(known).expect("there are few steps");
    migration.batch_execute("DELETE FROM annals_format").await.map_err(store_error)?;
    migration.execute("INSERT INTO annals_format VALUES ($1)", &[&format]).await.map_err(store_error)?;
    migration.commit().await.map_err(store_error)?;
    tracing::info!(format, is_distributed, "created or migrated the tables");
    Ok(is_distributed)
}

async fn is_some(client: &Transaction<'_>, text: &str) -> Result<bool, Error> {
    Ok(client.query_opt(text, &[]).await.map_err(store_error)?.is_some())
}
