//! What the old demo's clients send and receive.

use std::{borrow::Cow, sync::Arc};

use domain::{ProductId, Quantity, money::AMOUNT_MAX, products, users::Username};
use serde::Serialize;
use utoipa::ToSchema;

use crate::input::{Field, FromBody, text};

/// An error.
#[derive(Serialize, ToSchema)]
#[schema(as = LegacyError, example = json!({"status": 404, "error": "there is no such product"}))]
pub(crate) struct Error {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is wrong.
    #[schema(value_type = String)]
    pub(crate) error: Cow<'static, str>,
}

/// Something was made.
#[derive(Serialize, ToSchema)]
#[schema(as = LegacyCreated, example = json!({"id": 7, "status": 201}))]
pub(crate) struct Created {
    /// Its id.
    pub(crate) id: u64,
    /// The HTTP status.
    pub(crate) status: u16,
}

/// A login.
#[derive(Serialize, ToSchema)]
#[schema(as = LegacyToken, example = json!({"token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiI3In0.c2ln", "status": 200}))]
pub(crate) struct Token {
    /// The token, which the cookie holds too.
    pub(crate) token: String,
    /// The HTTP status.
    pub(crate) status: u16,
}

/// A product.
#[derive(Serialize, ToSchema)]
#[schema(as = LegacyProduct, example = json!({"id": 4, "name": "Storm lantern", "price": 4999, "stock": 7}))]
pub(crate) struct Product {
    /// Its id.
    id: u64,
    /// Its name.
    #[schema(value_type = String)]
    name: Arc<str>,
    /// The price of one piece in minor units, of whichever currency.
    price: i64,
    /// Pieces that can still be ordered.
    stock: u64,
}

impl From<products::Product> for Product {
    fn from(product: products::Product) -> Self {
        Self {
            id: product.id.get(),
            name: product.name,
            price: product.price.amount,
            stock: product.stock.available,
        }
    }
}

/// The catalogue.
#[derive(Serialize, ToSchema)]
#[schema(as = LegacyProducts)]
pub(crate) struct Products {
    /// The products, newest first.
    pub(crate) products: Vec<Product>,
}

/// One product.
#[derive(Serialize, ToSchema)]
#[schema(as = LegacyProductData)]
pub(crate) struct ProductData {
    /// The product.
    pub(crate) data: Product,
}

/// A new account.
#[derive(ToSchema)]
#[schema(as = LegacyRegister, example = json!({"username": "anna", "email": "anna@example.com", "password": "secret"}))]
pub(crate) struct Register {
    /// Unique, whatever its case.
    #[schema(value_type = String, min_length = 3, max_length = 64)]
    pub(crate) username: Username,
    /// Where mail goes; may be missing, null or empty.
    #[schema(value_type = Option<String>)]
    pub(crate) email: Option<Arc<str>>,
    /// The password.
    #[schema(format = "password", min_length = 1, max_length = 128)]
    pub(crate) password: String,
}

impl FromBody for Register {
    const LENIENT: bool = true;

    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let username = object.required("username", text::username);
        let email = object.nullable("email", email);
        let password = object.required("password", password);
        object.close();
        Some(Self {
            username: username?,
            email: email?.flatten(),
            password: password?,
        })
    }
}

/// A new administrator.
#[derive(ToSchema)]
#[schema(as = LegacyRegisterAdmin, example = json!({"username": "second", "password": "secret"}))]
pub(crate) struct RegisterAdmin {
    /// Unique, whatever its case.
    #[schema(value_type = String, min_length = 3, max_length = 64)]
    pub(crate) username: Username,
    /// The password.
    #[schema(format = "password", min_length = 1, max_length = 128)]
    pub(crate) password: String,
}

impl FromBody for RegisterAdmin {
    const LENIENT: bool = true;

    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let username = object.required("username", text::username);
        let password = object.required("password", password);
        object.close();
        Some(Self {
            username: username?,
            password: password?,
        })
    }
}

#[expect(
    clippy::option_option,
    reason = "the outer one says whether it could be read"
)]
fn email(field: Field<'_>) -> Option<Option<Arc<str>>> {
    if field.text()?.is_empty() {
        return Some(None);
    }
    text::email(field).map(Some)
}

fn password(field: Field<'_>) -> Option<String> {
    let password = field.text()?;
    text::length(&field, password, 1..=text::PASSWORD_LENGTH_MAX)?;
    Some(password.to_owned())
}

/// Somebody who wants in: as under `/v1`, read leniently.
pub(crate) struct Login(pub(crate) super::auth::Login);

impl FromBody for Login {
    const LENIENT: bool = true;

    fn read(body: Field<'_>) -> Option<Self> {
        super::auth::Login::read(body).map(Self)
    }
}

/// A product to be made.
#[derive(ToSchema)]
#[schema(as = LegacyNewProduct, example = json!({"name": "Storm lantern", "price": 4999, "stock": 7}))]
pub(crate) struct NewProduct {
    /// Its name.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) name: Arc<str>,
    /// The price of one piece in minor units.
    #[schema(minimum = 0)]
    pub(crate) price: i64,
    /// Pieces to begin with.
    #[schema(minimum = 0, maximum = 1000000000)]
    pub(crate) stock: u64,
}

impl FromBody for NewProduct {
    const LENIENT: bool = true;

    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let name = object.required("name", text::name);
        let price = object.required("price", |field| field.integer(0..=AMOUNT_MAX));
        let stock = object.required("stock", super::products::stock);
        object.close();
        Some(Self {
            name: name?,
            price: price?,
            stock: stock?,
        })
    }
}

/// An order to be placed, of one product.
#[derive(ToSchema)]
#[schema(as = LegacyNewOrder, example = json!({"product_id": 4, "quantity": 2}))]
pub(crate) struct NewOrder {
    /// Which product.
    #[schema(value_type = u64)]
    pub(crate) product_id: ProductId,
    /// How many pieces.
    #[schema(value_type = u32, minimum = 1, maximum = 10000)]
    pub(crate) quantity: Quantity,
}

impl FromBody for NewOrder {
    const LENIENT: bool = true;

    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let product_id = object.required("product_id", super::new_order::product_id);
        let quantity = object.required("quantity", super::new_order::quantity);
        object.close();
        Some(Self {
            product_id: product_id?,
            quantity: quantity?,
        })
    }
}
