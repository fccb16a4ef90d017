//! Vouchers: made by the operator, used by accounts.

use annals_model::Rejection;
use annals_model::account::{AddVoucher, Voucher};
use annals_model::report::NAME_BYTES_MAX;

use crate::contract::CommitError;
use crate::rows::{Caller, Row, RowKey};

use super::accounts::act_on;
use super::actions::up_to_date;
use super::{Recorder, Request};

impl Recorder {
    /// Makes a voucher.
    pub async fn create_voucher(&self, request: Request, voucher: Voucher) -> Result<Voucher, CommitError> {
        let idempotency = request.idempotency.clone().filter(|_| !request.dry_run);
        self.commit_once(Caller::Operator, idempotency, move |draft| {
            let key = RowKey::Voucher(voucher.code.clone());
            if draft.row(&key)?.is_some() {
                return Err(Rejection::invalid("code", "has already been taken").into());
            }
            let voucher = Voucher { created_at: draft.now(), ..voucher.clone() };
            draft.put(key, Row::Voucher(voucher.clone().into()));
            if request.dry_run {
                draft.discard();
            }
            Ok(voucher)
        })
        .await
    }

    /// Uses a voucher for the account of who asks.
    pub async fn use_voucher(&self, request: Request, code: &str) -> Result<Voucher, CommitError> {
        if code.len() > NAME_BYTES_MAX {
            return Err(CommitError::Rejected(Rejection::NotFound("voucher")));
        }
        let key = RowKey::Voucher(Voucher::canonical(code));
        let Some(user) = request.actor.as_ref().map(|actor| actor.id) else {
            return Err(CommitError::Rejected(Rejection::NotFound("user")));
        };
        let idempotency = request.idempotency.clone().filter(|_| !request.dry_run);
        self.commit_once(Caller::User(user), idempotency, move |draft| {
            let Some(Row::Voucher(voucher)) = draft.row(&key)? else {
                return Err(Rejection::NotFound("voucher").into());
            };
            act_on(draft, &up_to_date(draft, &request)?, user, &AddVoucher((*voucher).clone()))?;
            let used = Voucher { uses: voucher.uses + 1, ..(*voucher).clone() };
            draft.put(key.clone(), Row::Voucher(used.clone().into()));
            if request.dry_run {
                draft.discard();
            }
            Ok(used)
        })
        .await
    }
}
