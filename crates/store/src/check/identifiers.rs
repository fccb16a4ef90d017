//! The index of identifiers that came with a report.

use annals_model::Event;

use crate::error::Error;
use crate::transfer::Portable;
use crate::transfer::read::ROWS_AT_ONCE;

use super::{Checked, available};

pub(super) async fn check(
    store: &dyn Portable,
    checked: &mut Checked,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<(), Error> {
    let mut after = None;
    loop {
        let read = available(store.external_ids(after, ROWS_AT_ONCE).await)?;
        let Some(ids) = checked.read("the index of identifiers", read) else { return Ok(()) };
        let Some((last, ..)) = ids.last() else { return Ok(()) };
        after = Some(*last);
        for (id, timeline, position) in ids {
            checked.identifiers += 1;
            let read = available(store.read(timeline, position..=position, usize::MAX).await)?;
            let Some(found) = checked.read(&format!("{timeline:?} position {position}"), read) else {
                continue;
            };
            let found = found.first().and_then(|json| Event::from_json(json));
            if found.is_none_or(|event| event.id != id) {
                checked.find(format!(
                    "identifier {id} leads to {timeline:?} position {position}, which has another"
                ));
            }
        }
        progress(checked.entries + checked.identifiers);
    }
}
