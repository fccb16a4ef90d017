//! Billing: credit, payment methods and vouchers.

use annals_model::account::{AddCredit, AddPaymentMethod, PaymentMethod, Voucher};
use annals_model::catalogue::{BillingProfile, Card};
use annals_model::{EventId, Time, UserId};
use annals_service::Service;
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{Acting, JsonBody, Operator, Segments, User, given, required};

pub(crate) fn api() -> Api {
    const VOUCHERS: &str = "/v1/operator/vouchers";
    let credit = |summary| op(summary).body::<CreditBody>().created::<CreditAnswer>();
    Api::of("Billing")
        .get("/v1/account/billing/profile", show_profile, op("How you pay").ok::<ProfileAnswer>())
        .post("/v1/account/billing/credits", add_credit, credit("Add credit (add_credit)"))
        .post(
            "/v1/operator/users/{user}/credits",
            add_credit_of,
            credit("Add credit to an account, for the payment system (add_credit)").operator(),
        )
        .get(
            "/v1/account/billing/payment_methods",
            list_methods,
            op("Your payment methods").ok::<MethodsAnswer>(),
        )
        .post(
            "/v1/account/billing/payment_methods",
            add_method,
            op("Add a payment method (add_payment_method)").body::<MethodBody>().created::<MethodAnswer>(),
        )
        .post(
            "/v1/account/billing/vouchers",
            add_voucher,
            op("Use a voucher (add_voucher)").body::<UseBody>().created::<VoucherAnswer>(),
        )
        .get(VOUCHERS, list_vouchers, op("The vouchers").operator().ok::<VouchersAnswer>())
        .post(
            VOUCHERS,
            create_voucher,
            op("Make a voucher").operator().body::<VoucherBody>().created::<FullVoucherAnswer>(),
        )
}

/// Shows the caller's billing profile.
async fn show_profile(User(user): User) -> Result<Response, ApiError> {
    let last = user.account.payment_methods.last();
    let missing = || ApiError::NotFound("billing_profile");
    Ok(ok(&ProfileAnswer { billing_profile: last.map(|method| method.profile.clone()).ok_or_else(missing)? }))
}

#[derive(Deserialize, JsonSchema)]
struct CreditBody {
    credit: Option<CreditFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CreditFields {
    /// How it was paid, such as `paypal`.
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
async fn add_credit_of(
    State(service): State<Service>,
    _: Operator,
    acting: Acting,
    Segments([user]): Segments<1>,
    body: JsonBody<CreditBody>,
) -> Result<Response, ApiError> {
    let user = user.parse().map_err(|_| ApiError::NotFound("user"))?;
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
struct MethodBody {
    payment_method: Option<MethodFields>,
}

#[derive(Deserialize, JsonSchema)]
struct MethodFields {
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
async fn add_method(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<MethodBody>,
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
    Ok(created(&MethodAnswer { payment_method: MethodView::new(added) }))
}

/// Lists the caller's payment methods, oldest first.
async fn list_methods(User(user): User) -> Response {
    let methods = user.account.payment_methods.iter().map(MethodView::new);
    ok(&MethodsAnswer { payment_methods: methods.collect() })
}

#[derive(Deserialize, JsonSchema)]
struct UseBody {
    voucher: Option<UseFields>,
}

#[derive(Deserialize, JsonSchema)]
struct UseFields {
    code: Option<String>,
}

/// Redeems a voucher.
async fn add_voucher(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<UseBody>,
) -> Result<Response, ApiError> {
    acting.user()?;
    let code = required(required(body.value.voucher, "voucher")?.code, "code")?;
    let voucher = service.use_voucher(acting.request(&body.bytes), &code).await?;
    let Voucher { code, amount, .. } = voucher;
    Ok(created(&VoucherAnswer { voucher: VoucherView { code, amount, created_at: service.now() } }))
}

#[derive(Deserialize, JsonSchema)]
struct VoucherBody {
    voucher: Option<VoucherFields>,
}

#[derive(Deserialize, JsonSchema)]
struct VoucherFields {
    /// 4 to 64 letters, digits and hyphens.
    code: Option<String>,
    /// The credit it adds.
    amount: Option<f64>,
    expires_at: Option<Time>,
    /// How often it may be redeemed. The default is 1.
    max_uses: Option<u32>,
}

/// Creates a voucher.
async fn create_voucher(
    State(service): State<Service>,
    _: Operator,
    acting: Acting,
    body: JsonBody<VoucherBody>,
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
struct ProfileAnswer {
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
struct MethodsAnswer {
    payment_methods: Vec<MethodView>,
}

#[derive(Serialize, JsonSchema)]
struct MethodAnswer {
    payment_method: MethodView,
}

#[derive(Serialize, JsonSchema)]
struct MethodView {
    id: EventId,
    created_at: Time,
    #[serde(flatten)]
    profile: BillingProfile,
}

impl MethodView {
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
