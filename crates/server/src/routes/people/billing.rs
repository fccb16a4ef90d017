//! Billing: credit, payment methods and vouchers.

use annals_model::account::{AddCredit, AddPaymentMethod, PaymentMethod, Voucher};
use annals_model::catalogue::{BillingProfile, Card};
use annals_model::{EventId, Time, UserId};
use annals_service::Service;
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Acting, JsonBody, NamedUser, Operator, User, given, required};

pub(crate) fn api() -> Api {
    const VOUCHERS: &str = "/v1/operator/vouchers";
    let credits = |summary| {
        action(summary)
            .records(&["add_credit"])
            .body::<CreditBody>()
            .example(json!({ "credit": { "payment_method": "paypal", "amount": 50 } }))
            .created::<CreditAnswer>()
    };
    Api::of("Billing")
        .get(
            "/v1/account/billing/profile",
            show_billing_profile,
            op("Get your billing profile").ok::<BillingProfileAnswer>(),
        )
        .post("/v1/account/billing/credits", add_credit, credits("Add credit to your account"))
        .post(
            "/v1/operator/users/{user}/credits",
            add_credit_to_user,
            credits("Add credit to a user's account, for the payment system").operator(),
        )
        .get(
            "/v1/account/billing/payment_methods",
            list_payment_methods,
            op("List your payment methods").ok::<PaymentMethodsAnswer>(),
        )
        .post(
            "/v1/account/billing/payment_methods",
            add_payment_method,
            action("Add a payment method")
                .records(&["add_payment_method"])
                .body::<PaymentMethodBody>()
                .example(json!({ "payment_method": {
                    "payment_method_type": "stripe",
                    "company": "ACME",
                    "stripe": { "brand": "visa", "last4": "4242", "exp": "01/2030" },
                } }))
                .created::<PaymentMethodAnswer>(),
        )
        .post(
            "/v1/account/billing/vouchers",
            use_voucher,
            action("Use a voucher")
                .records(&["add_voucher"])
                .body::<UseVoucherBody>()
                .example(json!({ "voucher": { "code": "WELCOME-5" } }))
                .created::<VoucherAnswer>(),
        )
        .get(VOUCHERS, list_vouchers, op("List all vouchers").operator().ok::<VouchersAnswer>())
        .post(
            VOUCHERS,
            create_voucher,
            action("Create a voucher")
                .operator()
                .body::<CreateVoucherBody>()
                .example(json!({ "voucher": { "code": "WELCOME-10", "amount": 10, "max_uses": 100 } }))
                .created::<FullVoucherAnswer>(),
        )
}

/// Shows the caller's billing profile.
async fn show_billing_profile(User(user): User) -> Result<Response, ApiError> {
    let last = user.account.payment_methods.last();
    let missing = || ApiError::NotFound("billing_profile");
    Ok(ok(&BillingProfileAnswer {
        billing_profile: last.map(|method| method.profile.clone()).ok_or_else(missing)?,
    }))
}

#[derive(Deserialize, JsonSchema)]
struct CreditBody {
    credit: Option<CreditFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CreditFields {
    /// How the credit was paid for, such as `paypal`.
    payment_method: Option<String>,
    /// The amount, with at most two decimals.
    amount: Option<f64>,
}

/// Adds credit to the caller's account.
async fn add_credit(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<CreditBody>,
) -> Result<Response, ApiError> {
    let user = acting.user()?.id();
    credit(&service, &acting, user, body).await
}

/// Adds credit to a user's account.
async fn add_credit_to_user(
    State(service): State<Service>,
    _: Operator,
    acting: Acting,
    NamedUser(user): NamedUser,
    body: JsonBody<CreditBody>,
) -> Result<Response, ApiError> {
    credit(&service, &acting, user, body).await
}

async fn credit(
    service: &Service,
    acting: &Acting,
    user: UserId,
    body: JsonBody<CreditBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.credit, "credit")?;
    let payment_method = fields.payment_method.unwrap_or_default();
    let amount = required(fields.amount, "amount")?;
    let action = AddCredit { payment_method: payment_method.clone(), amount };
    let outcome = service.act_on_account(acting.request(&body.bytes), user, action).await?;
    let recorded = outcome.recorded.first().ok_or(ApiError::NotFound("credit"))?;
    let credit = CreditView {
        id: recorded.id,
        payment_method,
        amount,
        balance: outcome.account.credit_cents as f64 / 100.0,
        created_at: recorded.id.time(),
    };
    Ok(created(&CreditAnswer { credit }))
}

#[derive(Deserialize, JsonSchema)]
struct PaymentMethodBody {
    payment_method: Option<PaymentMethodFields>,
}

#[derive(Deserialize, JsonSchema)]
struct PaymentMethodFields {
    /// The type, such as stripe, sepa or paypal.
    payment_method_type: Option<String>,
    company: Option<String>,
    vat_number: Option<String>,
    /// The public details of a card, for the type stripe.
    stripe: Option<CardFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CardFields {
    brand: Option<String>,
    /// The last four digits.
    last4: Option<String>,
    /// The month of expiry, as in `01/2027`.
    exp: Option<String>,
}

/// Adds a payment method.
async fn add_payment_method(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<PaymentMethodBody>,
) -> Result<Response, ApiError> {
    acting.user()?;
    let fields = required(body.value.payment_method, "payment_method")?;
    let card = fields.stripe.map(|card| Card {
        brand: card.brand.unwrap_or_default(),
        last4: card.last4.unwrap_or_default(),
        exp: card.exp.unwrap_or_default(),
    });
    let action = AddPaymentMethod {
        kind: fields.payment_method_type.unwrap_or_default(),
        company: given(fields.company),
        vat_number: given(fields.vat_number),
        card,
    };
    let outcome = service.act_on_own_account(acting.request(&body.bytes), action).await?;
    // A payment method's identifier is that of the event that added it.
    let id = outcome.recorded.first().map(|event| event.id);
    let added = outcome.account.payment_methods.iter().find(|method| Some(method.id) == id);
    let added = added.ok_or(ApiError::NotFound("payment_method"))?;
    Ok(created(&PaymentMethodAnswer { payment_method: PaymentMethodView::new(added) }))
}

/// Lists the caller's payment methods, oldest first.
async fn list_payment_methods(User(user): User) -> Response {
    let methods = user.account.payment_methods.iter().map(PaymentMethodView::new);
    ok(&PaymentMethodsAnswer { payment_methods: methods.collect() })
}

#[derive(Deserialize, JsonSchema)]
struct UseVoucherBody {
    voucher: Option<UseVoucherFields>,
}

#[derive(Deserialize, JsonSchema)]
struct UseVoucherFields {
    code: Option<String>,
}

/// Uses a voucher.
async fn use_voucher(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<UseVoucherBody>,
) -> Result<Response, ApiError> {
    acting.user()?;
    let code = required(required(body.value.voucher, "voucher")?.code, "code")?;
    let (voucher, created_at) = service.use_voucher(acting.request(&body.bytes), &code).await?;
    let Voucher { code, amount, .. } = voucher;
    Ok(created(&VoucherAnswer { voucher: VoucherView { code, amount, created_at } }))
}

#[derive(Deserialize, JsonSchema)]
struct CreateVoucherBody {
    voucher: Option<CreateVoucherFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CreateVoucherFields {
    /// 4 to 64 letters, digits and hyphens.
    code: Option<String>,
    /// The credit it adds.
    amount: Option<f64>,
    expires_at: Option<Time>,
    /// How often it may be used. The default is 1.
    max_uses: Option<u32>,
}

/// Creates a voucher.
async fn create_voucher(
    State(service): State<Service>,
    _: Operator,
    acting: Acting,
    body: JsonBody<CreateVoucherBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.voucher, "voucher")?;
    let code = required(fields.code, "code")?;
    let amount = required(fields.amount, "amount")?;
    let uses_max = fields.max_uses.unwrap_or(1);
    let voucher = Voucher::new(&code, amount, fields.expires_at, uses_max, service.now())?;
    let voucher = service.create_voucher(acting.request(&body.bytes), voucher).await?;
    Ok(created(&FullVoucherAnswer { voucher: FullVoucherView::new(&voucher) }))
}

/// Lists the vouchers by code.
async fn list_vouchers(State(service): State<Service>, _: Operator) -> Result<Response, ApiError> {
    let vouchers = service.vouchers().await?.iter().map(|voucher| FullVoucherView::new(voucher)).collect();
    Ok(ok(&VouchersAnswer { vouchers }))
}

#[derive(Serialize, JsonSchema)]
struct BillingProfileAnswer {
    billing_profile: BillingProfile,
}

#[derive(Serialize, JsonSchema)]
struct CreditAnswer {
    credit: CreditView,
}

#[derive(Serialize, JsonSchema)]
struct CreditView {
    id: EventId,
    payment_method: String,
    amount: f64,
    /// The total credit added to the account.
    balance: f64,
    created_at: Time,
}

#[derive(Serialize, JsonSchema)]
struct PaymentMethodsAnswer {
    payment_methods: Vec<PaymentMethodView>,
}

#[derive(Serialize, JsonSchema)]
struct PaymentMethodAnswer {
    payment_method: PaymentMethodView,
}

#[derive(Serialize, JsonSchema)]
struct PaymentMethodView {
    id: EventId,
    created_at: Time,
    #[serde(flatten)]
    profile: BillingProfile,
}

impl PaymentMethodView {
    fn new(method: &PaymentMethod) -> Self {
        Self { id: method.id, created_at: method.created_at, profile: method.profile.clone() }
    }
}

#[derive(Serialize, JsonSchema)]
struct VoucherAnswer {
    voucher: VoucherView,
}

#[derive(Serialize, JsonSchema)]
struct VoucherView {
    code: String,
    amount: f64,
    created_at: Time,
}

#[derive(Serialize, JsonSchema)]
struct VouchersAnswer {
    vouchers: Vec<FullVoucherView>,
}

#[derive(Serialize, JsonSchema)]
struct FullVoucherAnswer {
    voucher: FullVoucherView,
}

#[derive(Serialize, JsonSchema)]
struct FullVoucherView {
    code: String,
    amount: f64,
    created_at: Time,
    expires_at: Option<Time>,
    max_uses: u32,
    uses: u32,
}

impl FullVoucherView {
    fn new(voucher: &Voucher) -> Self {
        let &Voucher { amount, created_at, expires_at, uses_max, uses, .. } = voucher;
        Self { code: voucher.code.clone(), amount, created_at, expires_at, max_uses: uses_max, uses }
    }
}
