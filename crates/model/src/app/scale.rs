//! The formation of an app: the number and the size of its containers of each type.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations};
use crate::{FieldErrors, Rejection, Role};

/// The sizes of containers, smallest first.
pub const CONTAINER_SIZES: &[&str] = &["S", "M", "L", "XL", "2XL", "3XL", "4XL"];

/// The size of containers for which none was chosen.
const DEFAULT_SIZE: &str = "M";
/// The most containers of one type.
const AMOUNT_MAX: u32 = 10;
/// The most types an app may have.
const TYPES_MAX: usize = 50;
/// The longest name of a type.
const TYPE_NAME_MAX: usize = 64;

/// The containers of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerType {
    /// The number of containers.
    pub amount: u32,
    /// The size of each.
    pub size: String,
}

/// Changes the number or the size of containers.
#[derive(Debug, Clone)]
pub struct Scale {
    /// The types to change. All others stay the same.
    pub containers: Vec<ScaledType>,
}

/// The new number and size of the containers of one type.
#[derive(Debug, Clone)]
pub struct ScaledType {
    /// The type.
    pub name: String,
    /// The number of containers. The type accepts any number, so that the error for one out of range can name the
    /// container type.
    pub amount: i64,
    /// The size; `None` keeps it.
    pub size: Option<String>,
}

impl AppAction for Scale {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        self.check()?;
        self.check_types(app, private)?;
        let mut formation = app.formation.clone();
        for wanted in &self.containers {
            let size = wanted
                .size
                .clone()
                .or_else(|| Some(app.formation.get(&wanted.name)?.size.clone()))
                .unwrap_or_else(|| DEFAULT_SIZE.to_owned());
            let amount = u32::try_from(wanted.amount).expect("amounts out of range were refused");
            formation.insert(wanted.name.clone(), ContainerType { amount, size });
        }
        if formation.len() > TYPES_MAX {
            return Err(Rejection::invalid(
                "containers",
                format!("must not have more than {TYPES_MAX} types"),
            ));
        }
        if formation == app.formation {
            return Ok(Decision::none());
        }
        let (previous_containers, previous_sizes) = in_two_maps(&app.formation);
        let (containers, sizes) = in_two_maps(&formation);
        let (previous_sizes, sizes) = (Some(previous_sizes), Some(sizes));
        Ok(Decision::of(AppOperations::Scale(catalogue::Scale {
            previous_containers,
            containers,
            previous_sizes,
            sizes,
        })))
    }
}

impl Scale {
    /// Refuses types that the deployed code does not define, if a builder reported its types.
    fn check_types(&self, app: &App, private: &PrivateState) -> Result<(), Rejection> {
        let Some(types) = &private.container_types else { return Ok(()) };
        let unknown = self
            .containers
            .iter()
            .filter(|wanted| !types.contains(&wanted.name) && !app.formation.contains_key(&wanted.name));
        let errors = unknown.map(|wanted| {
            (wanted.name.clone(), format!("is not a container type of this app; it has {}", types.join(", ")))
        });
        FieldErrors::any(errors).map_or(Ok(()), |errors| Err(Rejection::Invalid(errors)))
    }

    fn check(&self) -> Result<(), Rejection> {
        if self.containers.is_empty() {
            return Err(Rejection::invalid("containers", "is missing"));
        }
        if self.containers.len() > TYPES_MAX {
            return Err(Rejection::invalid(
                "containers",
                format!("must not have more than {TYPES_MAX} types"),
            ));
        }
        let errors = self.containers.iter().flat_map(|wanted| {
            let name_is_good = (1..=TYPE_NAME_MAX).contains(&wanted.name.len())
                && wanted
                    .name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            let amount_is_good = (0..=i64::from(AMOUNT_MAX)).contains(&wanted.amount);
            let size_is_good = wanted.size.as_deref().is_none_or(|size| CONTAINER_SIZES.contains(&size));
            let name = &wanted.name;
            [
                (!name_is_good).then(|| {
                    (name.clone(), "must have 1 to 64 letters, digits, hyphens and underscores".to_owned())
                }),
                (!amount_is_good)
                    .then(|| (format!("container-{name}-amount"), format!("must be from 0 to {AMOUNT_MAX}"))),
                (!size_is_good).then(|| {
                    (
                        format!("container-{name}-size"),
                        format!("must be one of {}", CONTAINER_SIZES.join(", ")),
                    )
                }),
            ]
            .into_iter()
            .flatten()
        });
        FieldErrors::any(errors).map_or(Ok(()), |errors| Err(Rejection::Invalid(errors)))
    }
}

pub(super) fn apply(app: &mut App, data: &catalogue::Scale) {
    let size_of = |name: &String| {
        let known = data.sizes.as_ref().and_then(|sizes| sizes.get(name)).cloned();
        known
            .or_else(|| Some(app.formation.get(name)?.size.clone()))
            .unwrap_or_else(|| DEFAULT_SIZE.to_owned())
    };
    let formation = data
        .containers
        .iter()
        .map(|(name, &amount)| (name.clone(), ContainerType { amount, size: size_of(name) }))
        .collect();
    *app.formation = formation;
    app.stopped = false;
}

/// Splits a formation into the event's two maps: the amounts and the sizes.
fn in_two_maps(
    formation: &BTreeMap<String, ContainerType>,
) -> (BTreeMap<String, u32>, BTreeMap<String, String>) {
    let amounts = formation.iter().map(|(name, container)| (name.clone(), container.amount)).collect();
    let sizes = formation.iter().map(|(name, container)| (name.clone(), container.size.clone())).collect();
    (amounts, sizes)
}
