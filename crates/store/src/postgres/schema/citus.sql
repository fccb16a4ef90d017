-- Everything that belongs to a timeline is on one shard: its length, its events, its state.
SELECT create_distributed_table('timelines', 'timeline', colocate_with => 'none');
SELECT create_distributed_table('entries', 'timeline', colocate_with => 'timelines');
SELECT create_distributed_table('rows', 'distribution_key', colocate_with => 'timelines');
SELECT create_distributed_table('commits', 'timeline', colocate_with => 'timelines');
SELECT create_distributed_table('external_ids', 'id', colocate_with => 'timelines');
