//! The demo catalogue of a new shop, loaded at its first start.
//!
//! Whether it is due is written down in the data directory before the first administrator is made, and struck out when
//! the catalogue is complete: a start that was cut short is made good by the next one, and a shop that was opened
//! without a catalogue never gets one.

use std::{fs, io::ErrorKind, path::Path};

use actors::{
    Shop,
    products::{NewProduct, ProductsError},
};
use anyhow::{Context, Result};
use domain::{Currency, Money};

use crate::catalogue::PRODUCTS;

/// In the data directory while the catalogue is due.
const FILE: &str = "demo-pending";

/// Writes down that the catalogue is due.
pub(crate) fn plan(dir: &Path) -> Result<()> {
    let write = || {
        fs::File::create(dir.join(FILE))?;
        fs::File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", dir.join(FILE).display()))
}

/// Strikes it out.
pub(crate) fn call_off(dir: &Path) -> Result<()> {
    match fs::remove_file(dir.join(FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", dir.join(FILE).display()))
        }
        _ => Ok(()),
    }
}

fn is_planned(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Loads the catalogue if it is due. Products that are there already stay as they are.
pub(crate) async fn load_if_planned(shop: &Shop, dir: &Path) -> Result<()> {
    if !is_planned(dir) {
        return Ok(());
    }
    for (sku, name, description, cents, stock) in PRODUCTS {
        let created = shop
            .products
            .create(NewProduct {
                sku: sku.parse()?,
                name: name.into(),
                description: description.into(),
                price: Money::price(cents, Currency::EUR)?,
                stock,
            })
            .await;
        match created {
            Ok(_) | Err(ProductsError::SkuTaken) => {}
            Err(error) => return Err(error).context("the demo catalogue cannot be loaded"),
        }
    }
    call_off(dir)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_catalogue_is_due_from_its_plan_until_it_is_called_off() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_planned(dir.path()));
        plan(dir.path()).unwrap();
        plan(dir.path()).unwrap();
        assert!(is_planned(dir.path()));
        call_off(dir.path()).unwrap();
        call_off(dir.path()).unwrap();
        assert!(!is_planned(dir.path()));
    }
}
