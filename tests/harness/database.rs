//! A PostgreSQL database of one test.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// A database that is dropped, whoever uses it, when this is.
pub(crate) struct Database {
    admin_url: String,
    name: String,
}

impl Database {
    /// Creates an empty one. `admin_url` is of a role that may do so.
    pub(crate) async fn create(admin_url: &str, name: &str) -> Self {
        run(admin_url, &format!("CREATE DATABASE {name}")).await;
        Self {
            admin_url: admin_url.to_owned(),
            name: name.to_owned(),
        }
    }

    /// How a program reaches it.
    pub(crate) fn url(&self) -> String {
        let options: PgConnectOptions = self.admin_url.parse().unwrap();
        options.database(&self.name).to_url_lossy().to_string()
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<PgRow> {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    /// Keeps a copy of what it has now. Nobody may be connected.
    pub(crate) async fn back_up(&self) -> Self {
        let copy = format!("{}_backup", self.name);
        self.copy(&self.name, &copy).await;
        Self {
            admin_url: self.admin_url.clone(),
            name: copy,
        }
    }

    /// Makes it again what it was when the copy was made. Nobody may be connected.
    pub(crate) async fn restore(&self, backup: &Self) {
        run(&self.admin_url, &format!("DROP DATABASE {}", self.name)).await;
        self.copy(&backup.name, &self.name).await;
    }

    async fn copy(&self, from: &str, to: &str) {
        run(
            &self.admin_url,
            &format!("CREATE DATABASE {to} TEMPLATE {from}"),
        )
        .await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (url, sql) = (
            self.admin_url.clone(),
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        );
        // A thread of its own, because this one is already inside a runtime.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&url).await?;
                sqlx::raw_sql(AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("database {} is left behind: {error}", self.name);
        }
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
}
