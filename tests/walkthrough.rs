//! One visit after the other: what a customer, an admin and an operator can do, and what they see afterwards.

mod accounts;
mod operator;
mod orders;
mod pages;
mod products;
