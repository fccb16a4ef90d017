//! Event types of billing: payment methods, credit, vouchers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{Shape, event_types};
use crate::FieldErrors;
use crate::field_class::classes;

/// Added credit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddCredit {
    /// How the credit was paid for.
    pub payment_method: String,
    /// The amount, in the account's currency.
    #[serde(default)]
    pub amount: Option<Number>,
    /// The same as `amount`.
    #[serde(default)]
    pub value: Option<Number>,
}
classes!(AddCredit { payment_method: Public, amount: Public, value: Public });

/// A payment method. `billing_profile` repeats its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPaymentMethod {
    /// The company's name.
    #[serde(default)]
    pub company: Option<String>,
    /// The company's EU VAT registration number.
    #[serde(default)]
    pub vat_number: Option<String>,
    /// The kind of payment method.
    #[serde(default)]
    pub payment_method_type: Option<String>,
    /// The card; null for other kinds.
    #[serde(default)]
    pub stripe: Option<Card>,
    /// The same fields again.
    #[serde(default)]
    pub billing_profile: Option<BillingProfile>,
}
classes!(AddPaymentMethod {
    company: Public,
    vat_number: Public,
    payment_method_type: Public,
    stripe: { Card },
    billing_profile: { BillingProfile },
});

/// The fields of a payment method.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BillingProfile {
    /// The company's name.
    #[serde(default)]
    pub company: Option<String>,
    /// The company's EU VAT registration number.
    #[serde(default)]
    pub vat_number: Option<String>,
    /// The kind of payment method.
    #[serde(default)]
    pub payment_method_type: Option<String>,
    /// The card; null for other kinds.
    #[serde(default)]
    pub stripe: Option<Card>,
}
classes!(BillingProfile {
    company: Public,
    vat_number: Public,
    payment_method_type: Public,
    stripe: { Card },
});

/// The public details of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The card's brand.
    pub brand: String,
    /// The last four digits, never more.
    pub last4: String,
    /// The month in which it expires, as `01/2027`.
    pub exp: String,
}
classes!(Card { brand: Public, last4: Public, exp: Public });

/// An added voucher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddVoucher {
    /// Its code.
    pub code: String,
}
classes!(AddVoucher { code: Public });

/// An attempt to collect a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentAttempt {
    /// The amount, in the account's currency.
    pub amount: Number,
    /// How it is paid: `credit`, `card`, …
    pub payment_method: String,
    /// The outcome: `new` while it is pending, `paid`, …
    pub status: String,
}
classes!(PaymentAttempt { amount: Public, payment_method: Public, status: Public });

event_types! {
    /// The credit, payment methods and vouchers of an account.
    Billing, Billing;

    /// When credit is added to an account.
    AddCredit(AddCredit) = "add_credit", "Credit added", Account:
        |data| format!("added a credit of {:.2} with {}", data.amount(), data.payment_method);
    /// When a payment method is registered for an account.
    AddPaymentMethod(AddPaymentMethod) = "add_payment_method", "Payment method added", Account: |data| match &data.stripe {
        Some(card) => format!("added a {} card ending in {}", card.brand, card.last4),
        None => format!("added a payment method {}", data.payment_method_type.as_deref().unwrap_or_default()),
    };
    /// When a voucher is added to an account.
    AddVoucher(AddVoucher) = "add_voucher", "Voucher added", Account: |data| format!("added voucher {}", data.code);
    /// When the platform attempts to collect a payment.
    PaymentAttempt(PaymentAttempt) = "payment_attempt", "Payment attempted", Account, further:
        |data| format!("attempted to pay {} with {}: {}", data.amount, data.payment_method, data.status);
}

impl Shape for PaymentAttempt {}
impl Shape for AddVoucher {}

impl AddCredit {
    /// Returns the amount for calculating.
    pub(crate) fn amount(&self) -> f64 {
        self.amount.as_ref().and_then(Number::as_f64).unwrap_or_default()
    }
}

impl Shape for AddCredit {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        match (&self.amount, &self.value) {
            (None, None) => return Err(FieldErrors::one("amount", "is missing")),
            (None, value) => self.amount.clone_from(value),
            (amount, None) => self.value.clone_from(amount),
            (Some(amount), Some(value)) if amount.as_f64() != value.as_f64() => {
                return Err(FieldErrors::one("value", "must equal amount"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Shape for AddPaymentMethod {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        let flat = BillingProfile {
            company: self.company.take(),
            vat_number: self.vat_number.take(),
            payment_method_type: self.payment_method_type.take(),
            stripe: self.stripe.take(),
        };
        let profile = match self.billing_profile.take() {
            None => flat,
            Some(nested) if flat == BillingProfile::default() || flat == nested => nested,
            Some(_) => return Err(FieldErrors::one("billing_profile", "must equal the top-level fields")),
        };
        if profile.payment_method_type.is_none() {
            return Err(FieldErrors::one("payment_method_type", "is missing"));
        }
        if let Some(card) = &profile.stripe
            && !(card.last4.len() == 4 && card.last4.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(FieldErrors::one("stripe.last4", "must be exactly the last four digits of the card"));
        }
        let BillingProfile { company, vat_number, payment_method_type, stripe } = profile.clone();
        *self = Self { company, vat_number, payment_method_type, stripe, billing_profile: Some(profile) };
        Ok(())
    }
}
