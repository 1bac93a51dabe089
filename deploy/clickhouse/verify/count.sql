-- How many links verify has before it: {agent:String}, or all where it is empty.
SELECT count() AS links FROM crmscope.chain_links WHERE {agent:String} = '' OR agent_id = {agent:String}
