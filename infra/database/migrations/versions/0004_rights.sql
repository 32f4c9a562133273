-- Who may what. A view runs with its owner's rights, so that whoever may read it needs no right to the tables below.

CREATE VIEW report.campaigns AS
SELECT c.name AS campaign, c.created_at, c.stop_reason, c.paused_at,
       (SELECT max(r.number) FROM labelrounds.rounds r WHERE r.campaign_id = c.campaign_id) AS rounds,
       b.spent_micro, b.held_micro
FROM labelrounds.campaigns c JOIN labelrounds.balances b USING (campaign_id);

CREATE VIEW report.rounds AS
SELECT c.name AS campaign, r.number AS round, r.state::text AS state, r.reason, r.opened_at, r.published_at,
       r.due_at, r.closed_at,
       (SELECT count(*) FROM labelrounds.batch_items i WHERE i.round_id = r.round_id) AS items,
       (SELECT count(*) FROM labelrounds.batch_items i
        WHERE i.round_id = r.round_id AND i.state = 'complete') AS items_complete
FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id);

CREATE VIEW report.vendors AS
SELECT v.name AS vendor, v.state::text AS state, v.created_at,
       (SELECT count(*) FROM labelrounds.tasks t WHERE t.vendor_id = v.vendor_id AND t.state = 'leased') AS leased,
       (SELECT count(*) FROM labelrounds.annotations a WHERE a.vendor_id = v.vendor_id AND a.revision = 1
          AND a.disposition <> 'surplus') AS answers,
       (SELECT count(*) FROM labelrounds.annotations a WHERE a.vendor_id = v.vendor_id AND a.revision = 1
          AND a.disposition = 'late_accepted') AS late,
       (SELECT count(*) FROM labelrounds.rejects j WHERE j.vendor_id = v.vendor_id) AS rejected
FROM labelrounds.vendors v;

CREATE VIEW report.deliveries AS
SELECT w.webhook_id, v.name AS vendor, w.state::text AS webhook_state, d.state::text AS state, count(*) AS deliveries,
       max(d.tries) AS most_tries
FROM labelrounds.webhooks w LEFT JOIN labelrounds.vendors v USING (vendor_id)
JOIN labelrounds.deliveries d USING (webhook_id)
GROUP BY w.webhook_id, v.name, w.state, d.state;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA labelrounds, vendor, gateway FROM PUBLIC;
GRANT USAGE ON SCHEMA vendor, gateway TO labelrounds_gateway;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vendor, gateway TO labelrounds_gateway;
GRANT USAGE ON SCHEMA report TO labelrounds_report;
GRANT SELECT ON ALL TABLES IN SCHEMA report TO labelrounds_report;
GRANT USAGE ON SCHEMA labelrounds TO labelrounds_auditor;
GRANT SELECT ON labelrounds.events, labelrounds.rejects TO labelrounds_auditor;
