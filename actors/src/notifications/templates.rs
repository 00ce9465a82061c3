//! The texts of notifications.

use domain::{OrderId, notifications::Template, orders::OrderEvent};
use minijinja::{Environment, context};

/// Subject and body of each template. What a template can use: `order_id`, `total`, `reason`.
const TEXTS: [(Template, &str, &str); 4] = [
    (
        Template::OrderConfirmed,
        "Your order {{ order_id }} is confirmed",
        "Thank you for your order {{ order_id }}. It is confirmed; the total is {{ total }}.",
    ),
    (
        Template::OrderRejected,
        "Your order {{ order_id }} could not be accepted",
        "We are sorry: your order {{ order_id }} could not be accepted because \
         {% if reason == 'currency_mismatch' %}its products are priced in different currencies\
         {% else %}a product was sold out{% endif %}. Nothing is charged.",
    ),
    (
        Template::OrderCancelled,
        "Your order {{ order_id }} is cancelled",
        "Your order {{ order_id }} has been cancelled{% if reason == 'admin' %} by the shop{% endif %}.",
    ),
    (
        Template::OrderExpired,
        "Your order {{ order_id }} has expired",
        "We are sorry: your order {{ order_id }} could not be completed in time. Nothing is charged.",
    ),
];

/// Renders notifications.
pub struct Templates {
    environment: Environment<'static>,
}

/// A rendered notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
}

impl Templates {
    /// The texts of this program.
    ///
    /// # Errors
    /// If one of them cannot be parsed, which a test rules out.
    pub fn new() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        for (template, subject, body) in TEXTS {
            environment.add_template_owned(format!("{}.subject", template.as_str()), subject)?;
            environment.add_template_owned(format!("{}.body", template.as_str()), body)?;
        }
        Ok(Self { environment })
    }

    /// The text for an event of an order.
    ///
    /// # Errors
    /// If the template asks for what the event does not have.
    pub fn render(
        &self,
        template: Template,
        order_id: OrderId,
        event: &OrderEvent,
    ) -> Result<Rendered, minijinja::Error> {
        let (total, reason) = match event {
            OrderEvent::OrderConfirmed { total, .. } => (Some(total.to_string()), None),
            OrderEvent::OrderRejected { reason, .. } => (None, Some(reason.as_str())),
            OrderEvent::OrderCancelled {
                by: domain::orders::CancelledBy::Admin,
                ..
            } => (None, Some("admin")),
            _ => (None, None),
        };
        let values = context! { order_id => order_id.get(), total => total, reason => reason };
        let render = |part: &str| {
            self.environment
                .get_template(&format!("{}.{part}", template.as_str()))?
                .render(&values)
        };
        Ok(Rendered {
            subject: render("subject")?,
            body: render("body")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::{
        Currency, Money, ProductId, UserId,
        orders::{Answer, CancelledBy, RejectionReason},
    };

    use super::*;

    #[test]
    fn every_outcome_has_its_text() {
        let templates = Templates::new().unwrap();
        let order_id = OrderId::new(42).unwrap();
        let user_id = UserId::new(7).unwrap();
        let product_id = ProductId::new(3).unwrap();
        let answer = Answer::Refused {
            product_id,
            available: 0,
        };
        let events = [
            OrderEvent::OrderConfirmed {
                user_id,
                answer: answer.clone(),
                total: Money::price(1_999, Currency::EUR).unwrap(),
            },
            OrderEvent::OrderRejected {
                user_id,
                answer,
                reason: RejectionReason::OutOfStock,
                releases: Vec::new(),
            },
            OrderEvent::OrderCancelled {
                user_id,
                by: CancelledBy::Admin,
                releases: Vec::new(),
            },
            OrderEvent::OrderExpired {
                user_id,
                releases: Vec::new(),
            },
        ];
        let texts: Vec<String> = events
            .iter()
            .map(|event| {
                let template = Template::for_event(event).unwrap();
                let rendered = templates.render(template, order_id, event).unwrap();
                assert!(rendered.subject.contains("42"), "{rendered:?}");
                rendered.body
            })
            .collect();
        assert!(texts[0].contains("19.99 EUR"));
        assert!(texts[1].contains("sold out"));
        assert!(texts[2].contains("by the shop"));
        assert!(texts[3].contains("in time"));
    }
}
