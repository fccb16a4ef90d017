//! The credit, payment methods and vouchers of an account.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Account, AccountAction, AccountPrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, Billing, BillingProfile, Card};
use crate::limits::TEXT_CHARS_MAX;
use crate::{FieldErrors, Rejection, Time};

/// The least and the most credit that one request or one voucher can add.
const CREDIT_MIN: f64 = 5.0;
const CREDIT_MAX: f64 = 1_000_000.0;
/// The length of a voucher's code.
const CODE_BYTES: RangeInclusive<usize> = 4..=64;
/// The most vouchers one account can use.
const VOUCHERS_MAX: usize = 1_000;

/// Adds credit. The credit has the identifier of its event.
#[derive(Debug, Clone)]
pub struct AddCredit {
    /// How the credit was paid for.
    pub payment_method: String,
    /// The amount.
    pub amount: f64,
}

impl AccountAction for AddCredit {
    type Created = ();

    fn decide(
        &self,
        _: &Account,
        _: &mut Arc<AccountPrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let cents = self.amount * 100.0;
        let amount_error = if !(CREDIT_MIN..=CREDIT_MAX).contains(&self.amount) {
            Some(format!("must be from {CREDIT_MIN} to {CREDIT_MAX}"))
        } else if (cents - cents.round()).abs() > 1e-6 {
            Some("must not have more than two decimals".to_owned())
        } else {
            None
        };
        let errors = [
            amount_error.map(|message| ("amount".to_owned(), message)),
            name_error("payment_method", &self.payment_method),
        ];
        refuse(errors.into_iter().flatten())?;
        let (payment_method, amount) =
            (self.payment_method.clone(), serde_json::Number::from_f64(self.amount));
        Ok(Decision::of(Billing::AddCredit(catalogue::AddCredit {
            payment_method,
            amount: amount.clone(),
            value: amount,
        })))
    }
}

/// Adds a payment method. It has the identifier of its event.
#[derive(Debug, Clone)]
pub struct AddPaymentMethod {
    /// The kind: `stripe`, `sepa`, `paypal`, …
    pub kind: String,
    /// The company's name; `None` keeps the last one.
    pub company: Option<String>,
    /// The company's EU VAT registration number; `None` keeps the last one.
    pub vat_number: Option<String>,
    /// The card; required for `stripe`.
    pub card: Option<Card>,
}

impl AccountAction for AddPaymentMethod {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        _: &mut Arc<AccountPrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let too_long = |field: &str, text: &Option<String>| {
            let is_too_long = text.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX);
            is_too_long
                .then(|| (field.to_owned(), format!("must not be longer than {TEXT_CHARS_MAX} characters")))
        };
        let needs_card = self.kind == "stripe" && self.card.is_none();
        let errors = [
            name_error("payment_method_type", &self.kind),
            too_long("company", &self.company),
            too_long("vat_number", &self.vat_number),
            needs_card.then(|| ("stripe".to_owned(), "is missing".to_owned())),
        ];
        refuse(errors.into_iter().flatten().chain(self.card.iter().flat_map(card_errors)))?;
        let known = account.payment_methods.last().map(|method| &method.profile);
        let profile = BillingProfile {
            company: self.company.clone().or_else(|| known?.company.clone()),
            vat_number: self.vat_number.clone().or_else(|| known?.vat_number.clone()),
            payment_method_type: Some(self.kind.clone()),
            stripe: self.card.clone(),
        };
        let BillingProfile { company, vat_number, payment_method_type, stripe } = profile.clone();
        let added = catalogue::AddPaymentMethod {
            company,
            vat_number,
            payment_method_type,
            stripe,
            billing_profile: Some(profile),
        };
        Ok(Decision::of(Billing::AddPaymentMethod(added)))
    }
}

/// A voucher that the operator created: a code that adds credit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Voucher {
    /// The code, in canonical form.
    pub code: String,
    /// The credit it adds.
    pub amount: f64,
    /// When it was created.
    pub created_at: Time,
    /// When it expires; `None` if never.
    pub expires_at: Option<Time>,
    /// How many accounts may use it.
    pub uses_max: u32,
    /// How many accounts have used it.
    pub uses: u32,
}

impl Voucher {
    /// Creates an unused voucher.
    ///
    /// # Errors
    ///
    /// Fails if the code or the amount is invalid.
    pub fn new(
        code: &str,
        amount: f64,
        expires_at: Option<Time>,
        uses_max: u32,
        now: Time,
    ) -> Result<Self, Rejection> {
        let code = Self::canonical(code);
        let code_is_good = CODE_BYTES.contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let amount_is_good = amount > 0.0 && amount <= CREDIT_MAX;
        let errors = [
            (!code_is_good).then(|| ("code", "must be 4 to 64 letters, digits and hyphens".to_owned())),
            (!amount_is_good)
                .then(|| ("amount", format!("must be more than 0, and not more than {CREDIT_MAX}"))),
        ];
        refuse(errors.into_iter().flatten().map(|(field, message)| (field.to_owned(), message)))?;
        Ok(Self { code, amount, created_at: now, expires_at, uses_max, uses: 0 })
    }

    /// Returns the form in which codes are stored and compared.
    pub fn canonical(code: &str) -> String {
        code.trim().to_uppercase()
    }
}

/// Uses a voucher.
#[derive(Debug, Clone)]
pub struct AddVoucher(pub Voucher);

impl AccountAction for AddVoucher {
    type Created = ();

    fn decide(
        &self,
        account: &Account,
        _: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let Voucher { code, expires_at, uses, uses_max, .. } = &self.0;
        if account.vouchers.len() >= VOUCHERS_MAX {
            return Err(Rejection::invalid("code", format!("limit reached ({VOUCHERS_MAX})")));
        }
        let error = if account.vouchers.contains(code) {
            "has already been used by this account"
        } else if expires_at.is_some_and(|expires_at| expires_at <= context.now) {
            "has expired"
        } else if uses >= uses_max {
            "has no uses left"
        } else {
            return Ok(Decision::of(Billing::AddVoucher(catalogue::AddVoucher { code: code.clone() })));
        };
        Err(Rejection::invalid("code", error))
    }
}

fn name_error(field: &str, name: &str) -> Option<(String, String)> {
    let is_good = (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    let message =
        if name.is_empty() { "is missing" } else { "must be a short lower-case name, such as paypal" };
    (!is_good).then(|| (field.to_owned(), message.to_owned()))
}

/// Checks the details of a card. None of them may contain a whole card number.
fn card_errors(card: &Card) -> Vec<(String, String)> {
    let is_number =
        |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let exp_is_good = card.exp.split_once('/').is_some_and(|(month, year)| {
        is_number(month, 2)
            && is_number(year, 4)
            && month.parse().is_ok_and(|month: u8| (1..=12).contains(&month))
    });
    let brand_is_good =
        (1..=32).contains(&card.brand.len()) && card.brand.bytes().filter(u8::is_ascii_digit).count() <= 4;
    [
        ("stripe.last4", is_number(&card.last4, 4), "must be exactly the last four digits of the card"),
        ("stripe.exp", exp_is_good, "must be a month, such as 01/2027"),
        ("stripe.brand", brand_is_good, "must be the brand of the card"),
    ]
    .into_iter()
    .filter(|(_, is_good, _)| !is_good)
    .map(|(field, _, message)| (field.to_owned(), message.to_owned()))
    .collect()
}

fn refuse(errors: impl Iterator<Item = (String, String)>) -> Result<(), Rejection> {
    FieldErrors::any(errors).map_or(Ok(()), |errors| Err(Rejection::Invalid(errors)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_has_a_canonical_code_and_errors_name_the_field() {
        let now = Time::from_millis(1_762_000_000_000);
        let voucher = Voucher::new(" welcome-26 ", 5.0, Some(now.plus_millis(1)), 1, now).unwrap();
        assert_eq!((voucher.code.as_str(), voucher.uses, voucher.created_at), ("WELCOME-26", 0, now));
        for (code, amount, field) in [
            ("abc", 5.0, "code"),
            ("no spaces", 5.0, "code"),
            ("CODE", 0.0, "amount"),
            ("CODE", f64::NAN, "amount"),
            ("CODE", 1_000_000.5, "amount"),
        ] {
            match Voucher::new(code, amount, None, 1, now) {
                Err(Rejection::Invalid(errors)) => {
                    assert_eq!(errors.as_map().keys().collect::<Vec<_>>(), [field]);
                }
                other => panic!("{code} {amount}: {other:?}"),
            }
        }
    }
}
