//! The real SDKs of Stripe and of Modern Treasury, unmodified, through the recipes of their APIs: each raises
//! the error that it documents, and makes no further request where the gateway says so.

use crate::dialect::Dialect;
use crate::driver::{Driver, Outcome};
use crate::modern_treasury::MODERN_TREASURY;
use crate::stripe::STRIPE;
use crate::world::World;

/// An SDK with the errors that it documents.
struct Sdk {
    driver: Driver,
    /// Name in the driver, where that has several.
    client: Option<&'static str>,
    dialect: &'static Dialect,
    mismatch: &'static str,
    refused: &'static str,
}

impl Sdk {
    async fn pay(&self, world: &World, key: &str, amount: u32) -> Outcome {
        let port = world.gateway.address.port();
        match self.client {
            None => self.driver.pay(port, key, amount).await,
            Some(client) => self.driver.pay_with(client, port, key, amount).await,
        }
    }

    async fn raises(&self, world: &World, key: &str, amount: u32, class: &str) {
        let before = world.fake.requests(key);
        let outcome = self.pay(world, key, amount).await;
        let raised = outcome.raised.as_deref().unwrap_or_default();
        assert_eq!(raised.strip_prefix("Stripe").unwrap_or(raised), class, "{outcome:?}");
        assert!(outcome.ours && outcome.paid.is_none(), "{outcome:?}");
        assert_eq!(world.fake.requests(key), before, "nothing is sent");
    }

    async fn works(self) {
        let world = World::start(self.dialect).await;
        let first = self.pay(&world, "k-1", 1200).await;
        let again = self.pay(&world, "k-1", 1200).await;
        assert!(first.paid.is_some() && first.paid == again.paid, "{first:?} {again:?}");
        assert_eq!(world.fake.requests("k-1"), 1);
        self.raises(&world, "k-1", 9900, self.mismatch).await;
        self.raises(&world, "not,a,key", 1200, self.refused).await;
        // The SDK itself goes on under the same key, and gets the payment that was made before.
        for key in ["dies-1", "vanishes-1", "answers-503-1"] {
            let found = self.pay(&world, key, 1200).await;
            assert!(found.paid.is_some(), "{key}: {found:?}");
            assert_eq!((world.fake.requests(key), world.fake.payments(key)), (2, 1), "{key}");
        }
    }
}

fn stripe(driver: Driver) -> Sdk {
    let (mismatch, refused) = ("IdempotencyError", "InvalidRequestError");
    Sdk { driver, client: None, dialect: &STRIPE, mismatch, refused }
}

#[tokio::test]
async fn stripe_node() {
    stripe(Driver::node()).works().await;
}

#[tokio::test]
async fn stripe_python() {
    stripe(Driver::python()).works().await;
}

#[tokio::test]
async fn modern_treasury_python() {
    let sdk = Sdk {
        driver: Driver::retrying_python(),
        client: Some("modern-treasury"),
        dialect: &MODERN_TREASURY,
        mismatch: "UnprocessableEntityError",
        refused: "BadRequestError",
    };
    sdk.works().await;
}
