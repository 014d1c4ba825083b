// Push messages: shows a notification for each, and acknowledges its alert.
(() => {
  "use strict";

  const { onSignOut, openPage, post } = self.urfmpWorker;
  const PICTURES = self.urfmpPictures;
  const URGENT = new Set(["error", "critical"]);

  async function show(message) {
    const shown = await self.registration.getNotifications({ tag: message.tag });
    // A repeated attempt of the same message replaces it silently.
    const isRepeated = shown.some((notification) => notification.data?.id === message.id);
    await self.registration.showNotification(message.title, {
      body: message.body,
      tag: message.tag,
      renotify: !isRepeated && !message.is_resolved,
      silent: isRepeated || Boolean(message.is_resolved),
      requireInteraction: message.severity === "critical" && !message.is_resolved,
      ...PICTURES,
      data: message,
      actions: message.acknowledge ? [{ action: "acknowledge", title: "Acknowledge" }] : [],
      vibrate: URGENT.has(message.severity) ? [200, 100, 200] : undefined,
    });
  }

  self.addEventListener("push", (event) => {
    const message = event.data?.json();
    if (message?.title) {
      event.waitUntil(show(message));
    }
  });

  // Without a valid session the user confirms on a page, as after the link of an e-mail.
  async function acknowledge(message) {
    try {
      await post(message.acknowledge);
    } catch {
      await openPage(message.confirm || message.url);
      return;
    }
    await self.registration.showNotification(`Acknowledged: ${message.title}`, {
      body: message.body, tag: message.tag, silent: true, ...PICTURES, data: { ...message, acknowledge: "" },
    });
  }

  self.addEventListener("notificationclick", (event) => {
    const message = event.notification.data || {};
    event.notification.close();
    if (event.action === "acknowledge" && message.acknowledge) {
      event.waitUntil(acknowledge(message));
    } else {
      event.waitUntil(openPage(message.url || "/"));
    }
  });

  // The next user of this browser must not see messages of the previous one.
  onSignOut(async () => {
    const subscription = await self.registration.pushManager?.getSubscription();
    await subscription?.unsubscribe();
    for (const notification of await self.registration.getNotifications()) {
      notification.close();
    }
  });
})();
