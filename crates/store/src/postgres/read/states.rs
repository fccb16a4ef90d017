//! Rebuilding the states of apps from their checkpoints and the events since.

use std::sync::Arc;

use annals_model::{App, AppId};
use foldhash::HashMap;

use crate::engine::checkpoint::Checkpoint;
use crate::error::Error;
use crate::timeline::TimelineId;

use crate::postgres::connection::session::{Executor, for_shards};
use crate::postgres::schema::values::{Json, parse_timeline_name, timeline_name, to_i64, to_u64};

const SINCE: &str = "SELECT e.timeline, e.event \
     FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w (timeline, first, last) \
     JOIN entries e ON e.timeline = w.timeline AND e.position BETWEEN w.first AND w.last \
     ORDER BY e.timeline, e.position";
const SINCE_OF_TIMELINES: &str = "SELECT e.timeline, e.event \
     FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w (timeline, first, last) \
     JOIN entries e ON e.timeline = w.timeline AND e.position BETWEEN w.first AND w.last \
     WHERE e.timeline = ANY($1) ORDER BY e.timeline, e.position";

/// The state of an app, its checkpoint, and the length of its timeline.
pub(crate) struct State {
    pub(crate) app: Arc<App>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) length: u64,
}

impl State {
    /// Returns a state as it is stored, not yet brought up to date.
    pub(crate) fn read(app: Arc<App>, position: Option<i64>, length: Option<i64>) -> Self {
        let checkpoint = Checkpoint::at(to_u64(position.unwrap_or_default()));
        Self { app, checkpoint, length: to_u64(length.unwrap_or_default()) }
    }
}

/// Applies to each stored state the events since its checkpoint.
pub(crate) async fn bring_up_to_date(
    database: &mut impl Executor,
    states: &mut [State],
) -> Result<(), Error> {
    let mut behind: HashMap<AppId, &mut State> = HashMap::default();
    let (mut names, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    for state in states.iter_mut().filter(|state| state.checkpoint.position < state.length) {
        names.push(timeline_name(TimelineId::App(state.app.id)));
        firsts.push(to_i64(state.checkpoint.position + 1));
        lasts.push(to_i64(state.length));
        behind.insert(state.app.id, state);
    }
    if names.is_empty() {
        return Ok(());
    }
    let text = for_shards(database.is_distributed(), names.len(), SINCE, SINCE_OF_TIMELINES);
    for row in database.query(text, &[&names, &firsts, &lasts]).await? {
        let Json(event) = row.get(1);
        if let TimelineId::App(id) = parse_timeline_name(row.get(0))?
            && let Some(State { app, checkpoint, .. }) = behind.get_mut(&id)
        {
            checkpoint.apply(app, &event)?;
        }
    }
    Ok(())
}
