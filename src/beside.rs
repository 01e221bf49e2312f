//! What runs beside a service and ends with it.

use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};

/// Time that what runs beside a service has to end after it.
const FAREWELL: Duration = Duration::from_secs(2);

/// Neither a client that keeps its connection nor a chain that does not answer keeps a service from ending.
pub(crate) async fn end(mut task: JoinHandle<()>) {
    if timeout(FAREWELL, &mut task).await.is_err() {
        task.abort();
    }
}
