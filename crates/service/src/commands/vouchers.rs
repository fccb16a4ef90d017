//! Vouchers, which the operator creates and users redeem.

use std::sync::Arc;

use annals_model::account::{AddVoucher, Voucher};
use annals_model::limits::NAME_BYTES_MAX;
use annals_model::{Rejection, Time};
use annals_store::{Caller, TypedRows as _, key};

use super::Request;
use super::accounts::act_on;
use crate::{Error, Service};

/// The most vouchers in a listing.
const LISTED_MAX: usize = 10_000;

impl Service {
    /// Creates a voucher.
    ///
    /// # Errors
    ///
    /// Fails if the code is taken, if the idempotency key was used for another request, or if the store fails.
    pub async fn create_voucher(&self, request: Request, voucher: Voucher) -> Result<Voucher, Error> {
        self.commit_once(Caller::Operator, request.idempotency(), move |transaction| {
            let key = key::Voucher(voucher.code.clone());
            if transaction.get(key.clone())?.is_some() {
                return Err(Rejection::invalid("code", "has already been taken").into());
            }
            let voucher = Voucher { created_at: transaction.now(), ..voucher.clone() };
            transaction.put(key, voucher.clone().into());
            if request.dry_run {
                transaction.discard();
            }
            Ok(voucher)
        })
        .await
    }

    /// Redeems a voucher for the caller's account. Returns when, too.
    ///
    /// # Errors
    ///
    /// Fails if there is no such voucher, if it expired, is used up or was redeemed by this account, if the caller is the
    /// operator, or if the store fails.
    pub async fn use_voucher(&self, request: Request, code: &str) -> Result<(Voucher, Time), Error> {
        if code.len() > NAME_BYTES_MAX {
            return Err(Rejection::NotFound("voucher").into());
        }
        let key = key::Voucher(Voucher::canonical(code));
        let user = request.actor.as_ref().map(|actor| actor.id).ok_or(Error::NeedsUser)?;
        self.commit_once(request.caller(), request.idempotency(), move |transaction| {
            let voucher = transaction.get(key.clone())?.ok_or(Rejection::NotFound("voucher"))?;
            let action = AddVoucher((*voucher).clone());
            act_on(transaction, &request.refreshed(transaction)?, user, &action)?;
            let now = transaction.now();
            let used = Voucher { uses: voucher.uses + 1, ..(*voucher).clone() };
            transaction.put(key.clone(), used.clone().into());
            if request.dry_run {
                transaction.discard();
            }
            Ok((used, now))
        })
        .await
    }

    /// Returns the vouchers, ordered by code.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn vouchers(&self) -> Result<Vec<Arc<Voucher>>, Error> {
        let listed = self.store().list(key::Voucher::all(), LISTED_MAX).await?;
        Ok(listed.into_iter().map(|(_, voucher)| voucher).collect())
    }
}
